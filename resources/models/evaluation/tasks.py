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
    """``losses`` holds HeldOutLoss rows and ``answers`` GeneratedAnswer rows, both as Parquet; ``scores`` their means,
    and the preference accuracy, by model."""

    losses: str
    answers: str
    scores: dict[str, ModelScores]


class Evaluate(Task[Evaluated]):
    """Measure models on held-out rows, which must fit their context.

    ``rows`` is a Parquet file with record_id, source, label, prompt and completion; ``train`` is the JSONL
    whose completions (or chosen answers) give the unigram baseline its frequencies; ``preferences`` is a
    Parquet file with prompt, chosen and rejected.
    """

    runs: ClassVar[str] = "fineline.resources.models.evaluation.measure:run"

    models: dict[str, AbsolutePath]
    rows: AbsolutePath
    train: AbsolutePath
    preferences: AbsolutePath | None = None
    loss_rows: int
    generated_rows: int
    new_tokens: int
