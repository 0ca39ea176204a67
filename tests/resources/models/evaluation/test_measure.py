from pathlib import Path

import polars as pl
import pytest
from support.model_tasks import chats, preferences, write_jsonl, write_parquet

from fineline.data_contracts.models import GeneratedAnswer, HeldOutLoss
from fineline.resources.models.base.encoding import encode_pairs, load_tokenizer
from fineline.resources.models.evaluation.tasks import Evaluate
from fineline.resources.models.worker.protocol import ModelError

pytestmark = [
    pytest.mark.model,
    # the worker silences third-party warnings for its process; in-process tests do the same
    pytest.mark.filterwarnings("ignore"),
]


def task_for(model: Path, folder: Path, rows=None, **values) -> Evaluate:
    defaults = {
        "output": str(folder),
        "models": {"base": str(model)},
        "rows": write_parquet(folder / "rows.parquet", rows or chats(12), source="s", label="l"),
        "train": write_jsonl(folder / "train.jsonl", chats()),
        "preferences": write_parquet(folder / "pairs.parquet", preferences(6)),
        "loss_rows": 10,
        "generated_rows": 3,
        "new_tokens": 6,
    }
    return Evaluate(**{**defaults, **values})


def evaluate(task: Evaluate):
    from fineline.resources.models.evaluation.measure import run

    return run(task, lambda line: None)


def test_losses_and_answers_keep_their_contracts_and_have_every_model(tiny_model_folder, tmp_path):
    result = evaluate(task_for(tiny_model_folder, tmp_path))
    losses, answers = pl.read_parquet(result.losses), pl.read_parquet(result.answers)
    HeldOutLoss.validate(losses)
    GeneratedAnswer.validate(answers)
    assert dict(losses.group_by("model").len().iter_rows()) == {"base": 10, "unigram": 10}
    assert answers.height == 3
    assert answers["question"][0].startswith("What is item")
    assert result.scores["base"].preference_accuracy is not None
    assert result.scores["unigram"].rouge_l is None


def test_batched_losses_are_those_of_rows_measured_one_by_one_by_the_model_itself(tiny_model_folder, tmp_path):
    import torch
    from transformers import AutoModelForCausalLM

    losses = pl.read_parquet(evaluate(task_for(tiny_model_folder, tmp_path, loss_rows=12)).losses)
    tokenizer = load_tokenizer(tiny_model_folder)
    model = AutoModelForCausalLM.from_pretrained(tiny_model_folder).eval()
    rows = chats(12)
    wanted = {}
    for at, row in enumerate(encode_pairs(tokenizer, [r["prompt"] for r in rows], [r["completion"] for r in rows])):
        labels = [-100] * row.start + row.trained
        with torch.inference_mode():
            wanted[f"{at:032x}"] = model(input_ids=torch.tensor([row.ids]), labels=torch.tensor([labels])).loss.item()
    found = dict(losses.filter(pl.col("model") == "base").select("record_id", "loss").iter_rows())
    assert found == pytest.approx(wanted, abs=1e-5)


def test_no_held_out_rows_are_refused_with_what_to_do(tiny_model_folder, tmp_path):
    task = task_for(tiny_model_folder, tmp_path)
    pl.read_parquet(task.rows).clear().write_parquet(task.rows)
    with pytest.raises(ModelError, match=r"no held-out rows .*Raise split\.test"):
        evaluate(task)


def test_perfect_answer_scores_one_and_a_strange_one_zero():
    from fineline.resources.models.evaluation.measure import answer_table

    rows = pl.DataFrame([{"record_id": str(at), **row} for at, row in enumerate(chats(2))])
    table = answer_table(rows, "m", [chats(1)[0]["completion"][0]["content"], "zzz"])
    assert table["rouge_l"].to_list() == [1.0, 0.0]
