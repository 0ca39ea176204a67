"""The token account against TRL's own labels: two implementations of one rule."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from support.model_tasks import chats, dpo_stage, message, preferences, sft_stage, texts, write_parquet

from fineline.resources.models.base.encoding import encode_pairs, load_tokenizer
from fineline.resources.models.base.tasks import CountTokens
from fineline.resources.models.training.tasks import Train

pytestmark = [
    pytest.mark.model,
    # the worker silences third-party warnings for its process; in-process tests do the same
    pytest.mark.filterwarnings("ignore"),
]
MULTI_TURN = {
    "prompt": [
        *message("system", "Be brief."),
        *message("user", "Hi!"),
        *message("assistant", "Yes?"),
        *message("user", "2+2"),
    ],
    "completion": message("assistant", "4 — “four”, naïve façade 日本"),
}


def count(model: Path, folder: Path, rows: list[dict[str, object]], maximum_tokens: int = 512) -> pl.DataFrame:
    from fineline.resources.models.base.token_counts import run

    path = write_parquet(folder / "rows.parquet", rows)
    result = run(
        CountTokens(output=str(folder), model=str(model), rows=path, maximum_tokens=maximum_tokens), lambda line: None
    )
    return pl.read_parquet(result.counts)


def trainer_of(task, rows):
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, TrainerCallback

    from fineline.resources.models.training.arguments import make_trainer

    model = AutoModelForCausalLM.from_pretrained(task.model)
    tokenizer = load_tokenizer(Path(task.model))
    return make_trainer(task, model, tokenizer, Dataset.from_list(rows), None, TrainerCallback(), from_start=True)


def task_of(stage, model: Path, folder: Path):
    names = {"output": folder, "model": model, "train": folder / "x", "checkpoints": folder / "checkpoints"}
    return Train(**{name: str(path) for name, path in names.items()}, adapter_base="tiny", dtype="float32", stage=stage)


def test_counts_of_conversations_are_those_of_the_labels_that_trl_trains_on(tiny_model_folder, tmp_path):
    rows = [*chats(19), MULTI_TURN]
    trainer = trainer_of(task_of(sft_stage(steps=1), tiny_model_folder, tmp_path), rows)
    batch = trainer.data_collator(list(trainer.train_dataset))
    counts = count(tiny_model_folder, tmp_path, rows)
    assert counts["tokens"].to_list() == batch["attention_mask"].sum(dim=1).tolist()
    assert counts["trained_tokens"].to_list() == (batch["labels"] != -100).sum(dim=1).tolist()
    assert counts["stop_token_trained"].to_list() == (batch["labels"] == 2).any(dim=1).tolist() == [True] * 20


def test_completion_starts_where_the_tokens_leave_the_prompt_when_a_template_opens_answers_in_its_own_way(
    tiny_model_folder, tmp_path
):
    tokenizer = load_tokenizer(tiny_model_folder)
    tokenizer.chat_template = tokenizer.chat_template.replace("assistant\n' }}{% endif", "assistant\nquiz ' }}{% endif")
    assert "quiz" in tokenizer.chat_template
    model = shutil.copytree(tiny_model_folder, tmp_path / "model")
    tokenizer.save_pretrained(model)
    trainer = trainer_of(task_of(sft_stage(steps=1), model, tmp_path), chats(5))
    batch = trainer.data_collator(list(trainer.train_dataset))
    counts = count(model, tmp_path, chats(5))
    assert counts["trained_tokens"].to_list() == (batch["labels"] != -100).sum(dim=1).tolist()


def test_counts_of_preferences_are_those_of_the_masks_that_trl_trains_on(tiny_model_folder, tmp_path):
    rows = preferences(20)
    trainer = trainer_of(task_of(dpo_stage(steps=1), tiny_model_folder, tmp_path), rows)
    batch = trainer.data_collator(list(trainer.train_dataset))
    whole, trained = batch["attention_mask"].sum(dim=1), batch["completion_mask"].sum(dim=1)
    renamed = [{("completion" if k == "chosen" else k): v for k, v in row.items()} for row in rows]
    counts = count(tiny_model_folder, tmp_path, renamed)
    assert counts["tokens"].to_list() == [max(a, b) for a, b in zip(*whole.view(2, -1).tolist(), strict=True)]
    assert counts["trained_tokens"].to_list() == [min(a, b) for a, b in zip(*trained.view(2, -1).tolist(), strict=True)]


def test_every_token_of_a_text_is_trained_and_its_end_token_too(tiny_model_folder, tmp_path):
    counts = count(tiny_model_folder, tmp_path, texts(3))
    assert (counts["tokens"] == counts["trained_tokens"]).all()
    assert counts["stop_token_trained"].all()


def test_row_that_is_too_long_is_called_truncated_and_loses_its_stop_token(tiny_model_folder, tmp_path):
    whole = count(tiny_model_folder, tmp_path, chats(1))
    limit = whole["tokens"][0] - 3
    cut = count(tiny_model_folder, tmp_path, chats(1), limit)
    assert cut["truncated"].to_list() == [True]
    assert cut["stop_token_trained"].to_list() == [False]
    assert cut["trained_tokens"][0] == whole["trained_tokens"][0] - 3
    assert whole["truncated"].to_list() == [False]


def test_template_that_never_ends_an_answer_trains_no_stop_token(tiny_model_folder, tmp_path):
    tokenizer = load_tokenizer(tiny_model_folder)
    tokenizer.chat_template = tokenizer.chat_template.replace("+ '<|im_end|>' + '\n'", "+ '\n'")
    assert "im_end" not in tokenizer.chat_template
    tokenizer.save_pretrained(tmp_path / "endless")
    assert count(tmp_path / "endless", tmp_path, chats(2))["stop_token_trained"].to_list() == [False, False]


def test_no_rows_give_an_empty_account(tiny_model_folder, tmp_path):
    from fineline.resources.models.base.token_counts import run

    pl.read_parquet(write_parquet(tmp_path / "one.parquet", chats(1))).clear().write_parquet(tmp_path / "none.parquet")
    result = run(
        CountTokens(
            output=str(tmp_path), model=str(tiny_model_folder), rows=str(tmp_path / "none.parquet"), maximum_tokens=64
        ),
        lambda line: None,
    )
    assert result.rows == 0
    assert pl.read_parquet(result.counts).columns[0] == "record_id"


def test_light_tokenizer_is_the_one_that_autotokenizer_loads(tiny_model_folder):
    from transformers import AutoTokenizer

    light, auto = load_tokenizer(tiny_model_folder), AutoTokenizer.from_pretrained(tiny_model_folder)
    rows = [MULTI_TURN, *chats(5)]
    prompts, completions = [r["prompt"] for r in rows], [r["completion"] for r in rows]
    assert encode_pairs(light, prompts, completions) == encode_pairs(auto, prompts, completions)
