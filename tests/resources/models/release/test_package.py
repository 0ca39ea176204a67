import json
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from fineline.resources.models.release.components import bill_of_materials
from fineline.resources.models.release.package import assemble, verify
from fineline.resources.models.worker.protocol import ModelError


@pytest.fixture
def release(tmp_path: Path) -> Path:
    merged, adapter = tmp_path / "merged", tmp_path / "adapter"
    for folder, weights in ((merged, "model.safetensors"), (adapter, "adapter_model.safetensors")):
        folder.mkdir()
        (folder / weights).write_bytes(b"weights" * 100)
        (folder / "tokenizer.json").write_text("{}")
    assemble(merged, adapter, "# card", {"recipe": "quickstart"}, tmp_path / "release")
    return tmp_path / "release"


def test_release_holds_model_adapter_card_lineage_and_checksums(release):
    names = sorted(path.relative_to(release).as_posix() for path in release.rglob("*") if path.is_file())
    assert names == [
        "README.md",
        "SHA256SUMS",
        "adapter/adapter_model.safetensors",
        "adapter/tokenizer.json",
        "lineage.json",
        "model.safetensors",
        "sbom.json",
        "tokenizer.json",
    ]
    assert (release / "README.md").read_text() == "# card"
    assert json.loads((release / "lineage.json").read_text()) == {"recipe": "quickstart"}


def test_whole_release_is_verified_by_us_and_by_sha256sum(release):
    assert verify(release) == 7
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=release, check=True)


def test_one_flipped_bit_is_found_and_its_file_named(release):
    path = release / "adapter" / "adapter_model.safetensors"
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"adapter/adapter_model\.safetensors was changed\."):
        verify(release)


def test_missing_and_added_files_are_named(release):
    (release / "tokenizer.json").unlink()
    (release / "extra.bin").write_text("x")
    with pytest.raises(ModelError, match=r"tokenizer\.json is missing; extra\.bin was added"):
        verify(release)


def test_editing_a_releases_tokenizer_leaves_the_model_it_came_from_alone(release):
    (release / "tokenizer.json").write_text("changed")
    assert (release.parent / "merged" / "tokenizer.json").read_text() == "{}"


@pytest.mark.outcome("trust", "what a release was made with", "each release has a bill of materials in CycloneDX")
def test_the_bill_of_materials_names_what_is_installed():
    bill = json.loads(bill_of_materials())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    found = {each["purl"]: each for each in bill["components"]}
    dagster = found[f"pkg:pypi/dagster@{version('dagster')}"]
    assert dagster["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert f"pkg:pypi/huggingface-hub@{version('huggingface-hub')}" in found
    assert all(len(json.dumps(each)) < 1000 for each in bill["components"]), "a licence's whole text"
