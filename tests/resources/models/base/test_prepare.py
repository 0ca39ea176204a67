from pathlib import Path

import pytest
from support.model_tasks import message, run_task, write_parquet

from fineline.resources.core.recipe.models import FolderModel, PackagedModel
from fineline.resources.models.base.checks import check_base
from fineline.resources.models.base.folders import count_parameters
from fineline.resources.models.base.tasks import Generate, PrepareBase

# the worker silences third-party warnings for its process; in-process tests do the same
quiet = pytest.mark.filterwarnings("ignore")


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
