"""The task of training one stage, and its result. Imports no torch."""

from __future__ import annotations

from typing import ClassVar

from fineline.resources.core.recipe.base import Section
from fineline.resources.core.recipe.training import AnyStage
from fineline.resources.models.base.tasks import Dtype
from fineline.resources.models.worker.protocol import AbsolutePath, Result, Task


class ValidationLoss(Section):
    """The loss on at most 32 validation rows after ``step`` optimizer steps."""

    step: int
    loss: float


class Trained(Result):
    """What a training stage made.

    ``tokens``, ``train_seconds`` and ``tokens_per_second`` are of this process: after a resumed run, of the steps
    since ``resumed_from``. Losses are of the whole run.
    """

    stage: AnyStage
    adapter: str
    merged: str
    curve: str
    steps: int
    resumed_from: int
    rows: int
    tokens: int
    tokens_per_second: float
    train_seconds: float
    first_loss: float
    last_loss: float
    validation: list[ValidationLoss]
    peak_memory_mb: float
    weights_sha256: str


class Train(Task[Trained]):
    """Train a stage: full weights in, an adapter and merged weights out.

    ``model`` holds full weights; ``train`` and ``validation`` are JSONL in TRL's form, with the columns of the
    method's dataset. ``checkpoints`` is kept when a run is interrupted, so that the next run resumes from it.
    ``adapter_base`` names, in the adapter's config, the weights that it sits on.
    """

    runs: ClassVar[str] = "fineline.resources.models.training.loop:run"

    stage: AnyStage
    model: AbsolutePath
    train: AbsolutePath
    validation: AbsolutePath | None = None
    checkpoints: AbsolutePath
    adapter_base: str
    dtype: Dtype = "bfloat16"
