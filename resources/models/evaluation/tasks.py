"""The task of measuring models on held-out rows, and its result. Imports no torch."""

from __future__ import annotations

from typing import ClassVar

from fineline.resources.core.recipe.base import Section
from fineline.resources.models.worker.protocol import AbsolutePath, Result, Task

# The name under which the unigram baseline stands among the models.
BASELINE = "unigram"


class ModelScores(Section):
    """Means of one model over the rows. ``None`` where it was not measured."""

    loss: float
    rouge_l: float | None = None
    preference_accuracy: float | None = None


class Evaluated(Result):
    """``losses`` holds HeldOutLoss rows, ``answers`` GeneratedAnswer rows, ``preferences`` record_id, model,
    chosen and rejected (mean log-probability a token), all as Parquet."""

    losses: str
    answers: str
    preferences: str | None
    rows: int
    left_out_rows: int
    scores: dict[str, ModelScores]


class Evaluate(Task[Evaluated]):
    """Measure models on held-out rows.

    ``rows`` is a Parquet file with record_id, source, label, prompt and completion; ``train`` is the JSONL
    whose completions (or chosen answers) give the unigram baseline its frequencies; ``preferences`` is a
    Parquet file with record_id, prompt, chosen and rejected. ``batch_tokens`` bounds rows times longest row.
    """

    runs: ClassVar[str] = "fineline.resources.models.evaluation.measure:run"

    models: dict[str, AbsolutePath]
    rows: AbsolutePath
    train: AbsolutePath
    preferences: AbsolutePath | None = None
    loss_rows: int
    generated_rows: int
    new_tokens: int
    maximum_tokens: int
    batch_tokens: int = 4096
