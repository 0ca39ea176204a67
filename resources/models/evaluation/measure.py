"""Held-out loss, ROUGE-L of greedy answers and preference accuracy of several models."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import polars as pl
from rouge_score.rouge_scorer import RougeScorer

from fineline.data_contracts.models import GeneratedAnswer, HeldOutLoss
from fineline.resources.models.base.encoding import Encoded, encode_pairs, load_tokenizer
from fineline.resources.models.base.folders import model_config
from fineline.resources.models.base.generation import answer_prompts, load_model, pad_id, settings
from fineline.resources.models.base.token_counts import encode_rows
from fineline.resources.models.evaluation.likelihood import mean_losses, unigram_losses
from fineline.resources.models.evaluation.tasks import BASELINE, Evaluate, Evaluated, ModelScores
from fineline.resources.models.worker.protocol import Log, ModelError

BATCH_PROMPTS = 16


def encode(tokenizer: Any, rows: pl.DataFrame) -> list[Encoded]:
    """Rows of prompt and completion as token ids."""
    return encode_pairs(tokenizer, rows["prompt"].to_list(), rows["completion"].to_list())


def loss_table(rows: pl.DataFrame, encoded: list[Encoded], model: str, losses: list[float]) -> pl.DataFrame:
    """HeldOutLoss rows of one model."""
    return rows.select(
        "record_id",
        pl.lit(model).alias("model"),
        "source",
        pl.col("label").cast(pl.String),
        pl.Series("answer_tokens", [len(row.ids) - max(row.start, 1) for row in encoded], dtype=pl.UInt32),
        pl.Series("loss", losses, dtype=pl.Float64),
    )


def answer_table(rows: pl.DataFrame, model: str, answers: list[str]) -> pl.DataFrame:
    """GeneratedAnswer rows of one model; ROUGE-L without stemming against the whole reference."""
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    references = ["\n".join(m["content"] for m in row) for row in rows["completion"].to_list()]
    return pl.DataFrame(
        {
            "record_id": rows["record_id"],
            "model": [model] * rows.height,
            "question": [prompt[-1]["content"] for prompt in rows["prompt"].to_list()],
            "reference": references,
            "answer": answers,
            "rouge_l": [scorer.score(r, a)["rougeL"].fmeasure for r, a in zip(references, answers, strict=True)],
        },
        schema=GeneratedAnswer.create_empty().schema,
    )


def preference_accuracy(model: Any, tokenizer: Any, rows: pl.DataFrame, log: Log) -> float | None:
    """The share of preferences whose chosen answer has the higher mean log-probability a token; None without rows."""
    pairs = encode_rows(tokenizer, rows.rename({"chosen": "completion"}))
    losses = mean_losses(model, [side for sides in pairs for side in sides], pad=pad_id(tokenizer), log=log)
    right = [chosen < rejected for chosen, rejected in zip(losses[0::2], losses[1::2], strict=True)]
    return sum(right) / len(right) if right else None


def run(task: Evaluate, log: Log) -> Evaluated:
    """Measure each model and the unigram baseline on the same rows.

    Raises:
        ModelError: there are no rows to measure on.
    """
    first = Path(next(iter(task.models.values())))
    tokenizer = load_tokenizer(first)
    # record_ids are hashes of content, so the first of them are a stable random sample
    rows = pl.read_parquet(task.rows).sort("record_id").head(task.loss_rows)
    if rows.is_empty():
        raise ModelError(
            "There are no held-out rows to measure the models on.",
            "Raise split.test, or the dataset's test_rows.",
        )
    encoded, asked = encode(tokenizer, rows), rows.head(task.generated_rows)
    train = pl.read_ndjson(task.train, infer_schema_length=None).rename({"chosen": "completion"}, strict=False)
    unigram = unigram_losses(encode(tokenizer, train), encoded, model_config(first)["vocab_size"])
    losses = [loss_table(rows, encoded, BASELINE, unigram)]
    answers = [pl.DataFrame(schema=GeneratedAnswer.create_empty().schema)]
    accuracy = {}
    for name, folder in task.models.items():
        log(f"measuring {name}")
        model = load_model(Path(folder))
        losses.append(loss_table(rows, encoded, name, mean_losses(model, encoded, pad=pad_id(tokenizer), log=log)))
        if not asked.is_empty():
            config = settings(Path(folder), tokenizer, task.new_tokens, None)
            written = answer_prompts(model, tokenizer, asked["prompt"].to_list(), config, BATCH_PROMPTS, log)
            answers.append(answer_table(asked, name, [text for text, _ in written]))
        if task.preferences is not None:
            accuracy[name] = preference_accuracy(model, tokenizer, pl.read_parquet(task.preferences), log)
        del model
        gc.collect()
    return write(Path(task.output), pl.concat(losses), pl.concat(answers), accuracy)


def write(output: Path, losses: pl.DataFrame, answers: pl.DataFrame, accuracy: dict[str, float | None]) -> Evaluated:
    """Write the tables and summarise them."""
    HeldOutLoss.validate(losses).write_parquet(output / "losses.parquet")
    GeneratedAnswer.validate(answers).write_parquet(output / "answers.parquet")
    loss = dict(losses.group_by("model").agg(pl.col("loss").mean()).iter_rows())
    rouge = dict(answers.group_by("model").agg(pl.col("rouge_l").mean()).iter_rows())
    return Evaluated(
        losses=str(output / "losses.parquet"),
        answers=str(output / "answers.parquet"),
        scores={
            name: ModelScores(loss=loss[name], rouge_l=rouge.get(name), preference_accuracy=accuracy.get(name))
            for name in sorted(loss)
        },
    )
