import shutil
from pathlib import Path

import pytest
from support.model_tasks import chats, message, write_parquet

from fineline.resources.models.base.encoding import load_tokenizer
from fineline.resources.models.release.tasks import MergeCheck

pytestmark = [
    pytest.mark.model,
    # the worker silences third-party warnings for its process; in-process tests do the same
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture
def adapted(tiny_model_folder, tmp_path) -> dict[str, str]:
    """An adapter with weights of its own, and the model with it merged in."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(tiny_model_folder)
    model = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))
    model.save_pretrained(tmp_path / "adapter")
    model.merge_and_unload().save_pretrained(tmp_path / "merged")
    load_tokenizer(tiny_model_folder).save_pretrained(tmp_path / "merged")
    rows = write_parquet(tmp_path / "rows.parquet", chats(5))
    folders = {name: str(tmp_path / name) for name in ("adapter", "merged")}
    return {"model": str(tiny_model_folder), "output": str(tmp_path), "rows": rows, **folders}


def test_merged_weights_agree_with_their_adapter(adapted):
    from fineline.resources.models.release.merge_check import run

    result = run(MergeCheck(**adapted), lambda line: None)
    assert result.rows == 5
    assert result.maximum_token_difference < 1e-4
    assert result.divergence < 1e-6
    assert result.agreement == 1.0


def test_weights_without_the_adapter_do_not_agree(adapted):
    from fineline.resources.models.release.merge_check import run

    shutil.copy(Path(adapted["model"]) / "model.safetensors", Path(adapted["merged"]) / "model.safetensors")
    result = run(MergeCheck(**adapted), lambda line: None)
    assert result.mean_difference == pytest.approx(result.adapter_effect, rel=1e-4)
    assert result.mean_difference > 0.001
    assert result.maximum_token_difference > result.mean_token_difference > result.mean_difference
    assert result.divergence > 0.0001


def test_long_rows_are_compared_at_the_beginning_of_their_answers(adapted):
    from fineline.resources.models.release.merge_check import POSITIONS, run

    long = {**chats(1)[0], "prompt": message("user", "long " * 600), "completion": message("assistant", "long " * 600)}
    adapted["rows"] = write_parquet(Path(adapted["output"]) / "rows.parquet", [long])
    result = run(MergeCheck(**adapted), lambda line: None)
    assert (result.rows, result.positions) == (1, POSITIONS)
