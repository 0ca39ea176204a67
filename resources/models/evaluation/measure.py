"""Held-out loss, ROUGE-L of greedy answers and preference accuracy of several models."""

from __future__ import annotations

import gc
import json
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

PREFERENCES = {"record_id": pl.String, "model": pl.String, "chosen": pl.Float64, "rejected": pl.Float64}


def sample(rows: pl.DataFrame, count: int) -> pl.DataFrame:
    """The first rows by record_id: a stable random sample, since record_ids are hashes of content."""
    return rows.sort("record_id").head(count)


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
    questions = [prompt[-1]["content"] for prompt in rows["prompt"].to_list()]
    references = ["\n".join(m["content"] for m in row) for row in rows["completion"].to_list()]
    scores = [scorer.score(r, a)["rougeL"].fmeasure for r, a in zip(references, answers, strict=True)]
    return pl.DataFrame(
        {
            "record_id": rows["record_id"],
            "model": [model] * rows.height,
            "question": questions,
            "reference": references,
            "answer": answers,
            "rouge_l": scores,
        },
        schema=GeneratedAnswer.create_empty().schema,
    )


def preference_table(
    model: Any, tokenizer: Any, rows: pl.DataFrame, name: str, batch_tokens: int, log: Log
) -> pl.DataFrame:
    """Mean log-probability a token of both answers of each preference."""
    pairs = encode_rows(tokenizer, rows.rename({"chosen": "completion"}))
    flat = [side for sides in pairs for side in sides]
    losses = mean_losses(model, flat, pad=pad_id(tokenizer), batch_tokens=batch_tokens, log=log)
    values = {"chosen": [-loss for loss in losses[0::2]], "rejected": [-loss for loss in losses[1::2]]}
    return pl.DataFrame({"record_id": rows["record_id"], "model": [name] * rows.height, **values}, schema=PREFERENCES)


def within(tokenizer: Any, rows: pl.DataFrame, maximum_tokens: int) -> pl.DataFrame:
    """The rows of at most ``maximum_tokens``, since a cut answer is a different answer."""
    fits = [len(row.ids) <= maximum_tokens for row in encode(tokenizer, rows)]
    return rows.filter(pl.Series(fits, dtype=pl.Boolean))


def run(task: Evaluate, log: Log) -> Evaluated:
    """Measure each model and the unigram baseline on the same rows.

    Raises:
        ModelError: there are no rows to measure on.
    """
    output = Path(task.output)
    first = Path(next(iter(task.models.values())))
    tokenizer = load_tokenizer(first)
    wanted = sample(pl.read_parquet(task.rows), task.loss_rows)
    rows = within(tokenizer, wanted, task.maximum_tokens)
    if rows.is_empty():
        raise ModelError(
            "There are no held-out rows to measure the models on.",
            "Raise split.test, or the dataset's test_rows.",
        )
    encoded = encode(tokenizer, rows)
    with Path(task.train).open(encoding="utf-8") as file:
        train = pl.DataFrame([json.loads(line) for line in file]).rename({"chosen": "completion"}, strict=False)
    vocabulary = model_config(first)["vocab_size"]
    unigram = unigram_losses(encode(tokenizer, train), encoded, vocabulary)
    losses = [loss_table(rows, encoded, BASELINE, unigram)]
    asked = rows.head(task.generated_rows)
    answers = [pl.DataFrame(schema=GeneratedAnswer.create_empty().schema)]
    pairs = None if task.preferences is None else pl.read_parquet(task.preferences)
    preferences = []
    for name, folder in task.models.items():
        log(f"measuring {name}")
        model = load_model(Path(folder))
        measured = mean_losses(model, encoded, pad=pad_id(tokenizer), batch_tokens=task.batch_tokens, log=log)
        losses.append(loss_table(rows, encoded, name, measured))
        if not asked.is_empty():
            config = settings(Path(folder), tokenizer, task.new_tokens, None)
            written = answer_prompts(model, tokenizer, asked["prompt"].to_list(), config, 16, log)
            answers.append(answer_table(asked, name, [text for text, _ in written]))
        if pairs is not None:
            preferences.append(preference_table(model, tokenizer, pairs, name, task.batch_tokens, log))
        del model
        gc.collect()
    return write(output, pl.concat(losses), pl.concat(answers), preferences, wanted.height - rows.height)


def write(
    output: Path, losses: pl.DataFrame, answers: pl.DataFrame, preferences: list[pl.DataFrame], left_out: int
) -> Evaluated:
    """Write the tables and summarise them."""
    HeldOutLoss.validate(losses).write_parquet(output / "losses.parquet")
    GeneratedAnswer.validate(answers).write_parquet(output / "answers.parquet")
    loss = dict(losses.group_by("model").agg(pl.col("loss").mean()).iter_rows())
    rouge = dict(answers.group_by("model").agg(pl.col("rouge_l").mean()).iter_rows())
    accuracy: dict[str, float] = {}
    if preferences:
        table = pl.concat(preferences)
        table.write_parquet(output / "preferences.parquet")
        right = (pl.col("chosen") > pl.col("rejected")).mean()
        accuracy = dict(table.group_by("model").agg(right.alias("accuracy")).iter_rows())
    return Evaluated(
        losses=str(output / "losses.parquet"),
        answers=str(output / "answers.parquet"),
        preferences=str(output / "preferences.parquet") if preferences else None,
        rows=losses["record_id"].n_unique(),
        left_out_rows=left_out,
        scores={
            name: ModelScores(loss=loss[name], rouge_l=rouge.get(name), preference_accuracy=accuracy.get(name))
            for name in sorted(loss)
        },
    )
