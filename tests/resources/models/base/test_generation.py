from pathlib import Path

import polars as pl
import pytest
from support.model_tasks import chats, write_parquet

from fineline.resources.models.base.encoding import load_tokenizer
from fineline.resources.models.base.tasks import Generate

pytestmark = [
    pytest.mark.model,
    # the worker silences third-party warnings for its process; in-process tests do the same
    pytest.mark.filterwarnings("ignore"),
]


def answers(model: Path, folder: Path, **values) -> pl.DataFrame:
    from fineline.resources.models.base.generation import run

    prompts = write_parquet(folder / "prompts.parquet", chats(7))
    spec = Generate(**{"output": str(folder), "model": str(model), "prompts": prompts, "new_tokens": 8, **values})
    return pl.read_parquet(run(spec, lambda line: None).answers)


@pytest.fixture(scope="module")
def lively_model(tiny_model_folder, tmp_path_factory) -> Path:
    """The tiny model with weights large enough that its answers depend on the prompt."""
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("lively")
    model = AutoModelForCausalLM.from_pretrained(tiny_model_folder)
    for name, weights in model.named_parameters():
        if "norm" not in name:
            weights.data *= 12
    model.save_pretrained(folder)
    load_tokenizer(tiny_model_folder).save_pretrained(folder)
    return folder


def test_answers_come_in_the_order_of_the_prompts(lively_model, tmp_path):
    table = answers(lively_model, tmp_path)
    assert table["record_id"].to_list() == [f"{at:032x}" for at in range(7)]
    assert table["answer"].n_unique() > 3


def test_padding_does_not_change_a_greedy_answer(lively_model, tmp_path):
    together, alone = answers(lively_model, tmp_path, batch_size=7), answers(lively_model, tmp_path, batch_size=1)
    assert together.equals(alone)


def test_samples_are_the_same_for_a_seed_and_differ_for_another(lively_model, tmp_path):
    one, again, other = (answers(lively_model, tmp_path, temperature=1.0, seed=seed) for seed in (1, 1, 2))
    assert one.equals(again)
    assert not one.equals(other)


def test_answer_ends_before_the_stop_token_and_counts_as_finished(tiny_model_folder, tmp_path):
    import torch
    from transformers import AutoModelForCausalLM

    from fineline.resources.models.base.generation import answer_prompts, settings

    tokenizer = load_tokenizer(tiny_model_folder)
    model = AutoModelForCausalLM.from_pretrained(tiny_model_folder).eval()
    written = tokenizer(" Paris is<|im_end|>", add_special_tokens=False)["input_ids"]
    rows = iter([[*written, 5, 5], [2] * (len(written) + 2), [5] * (len(written) + 2)])
    model.generate = lambda input_ids, **_: torch.cat([input_ids, torch.tensor([next(rows)])], dim=1)
    config = settings(tiny_model_folder, tokenizer, 8, None)
    prompts = [row["prompt"] for row in chats(1)]
    found = [answer_prompts(model, tokenizer, prompts, config, 1, lambda line: None)[0] for _ in range(3)]
    assert found[:2] == [("Paris is", True), ("", True)]
    assert found[2][1] is False
