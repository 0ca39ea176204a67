import json
import subprocess
from pathlib import Path

import pytest
import yaml

from fineline.resources.models.release.card import (
    CardFacts,
    CheckFacts,
    ScoreFacts,
    SourceFacts,
    StageFacts,
    model_card,
)
from fineline.resources.models.release.package import assemble, verify
from fineline.resources.models.worker.protocol import ModelError

FACTS = CardFacts(
    recipe="quickstart",
    base_model="SmolLM2-135M-Instruct",
    base_licence="Apache-2.0",
    release="4f2a9c",
    sources=[SourceFacts(name="docs", licence="PSF-2.0", raw=1200, scrubbed=1190, curated=900, trained=400)],
    splits={"train": 810, "validation": 45, "test": 45},
    stages=[
        StageFacts(
            name="sft",
            settings={"steps": 60, "learning_rate": 0.0005},
            rows=400,
            first_loss=2.5,
            last_loss=1.25,
            validation_first=2.4,
            validation_last=1.5,
            seconds=95.4,
        )
    ],
    scores=[ScoreFacts(model="sft", loss=1.5, low=1.4, high=1.6, rouge_l=0.31)],
    confidence=0.95,
    test_rows=45,
    reasons=["sft improves on base by +0.9 nats a token."],
    checks=[CheckFacts(name="no_leak", passed=True, finding="0 groups | 0 pairs cross splits")],
)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    merged, adapter = tmp_path / "merged", tmp_path / "adapter"
    for folder, weights in ((merged, "model.safetensors"), (adapter, "adapter_model.safetensors")):
        folder.mkdir()
        (folder / weights).write_bytes(b"weights" * 100)
        (folder / "tokenizer.json").write_text("{}")
    assemble(merged, adapter, model_card(FACTS), {"recipe": "quickstart"}, tmp_path / "release")
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
        "tokenizer.json",
    ]
    assert json.loads((release / "lineage.json").read_text()) == {"recipe": "quickstart"}


def test_whole_release_is_verified_by_us_and_by_sha256sum(release):
    assert verify(release) == 6
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


def test_assembling_again_replaces_the_release(release):
    (release / "old.txt").write_text("left over")
    parent = release.parent
    assemble(parent / "merged", parent / "adapter", "# card", {}, release)
    assert not (release / "old.txt").exists()
    assert (release / "README.md").read_text() == "# card"


def test_editing_a_releases_tokenizer_leaves_the_model_it_came_from_alone(release):
    (release / "tokenizer.json").write_text("changed")
    assert (release.parent / "merged" / "tokenizer.json").read_text() == "{}"


def test_front_matter_is_yaml_that_the_hub_reads():
    fields = yaml.safe_load(model_card(FACTS).split("---")[1])
    assert fields["license"] == "apache-2.0"
    assert fields["base_model"] == "SmolLM2-135M-Instruct"
    assert fields["pipeline_tag"] == "text-generation"


def test_card_says_data_training_scores_checks_and_limits_with_figures():
    card = model_card(FACTS)
    assert "| docs | PSF-2.0 | 1,200 | 1,190 | 900 | 400 |" in card
    assert "| sft | 400 | steps 60, learning_rate 0.0005 | 2.500 → 1.250 | 2.400 → 1.500 | 95 s |" in card
    assert "| sft | 1.500 (1.400 to 1.600) | 0.310 | – |" in card
    assert "- sft improves on base by +0.9 nats a token." in card
    assert "0 groups \\| 0 pairs cross splits" in card
    assert "not tested for safety" in card
