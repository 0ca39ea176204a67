"""The task of comparing merged weights with their adapter, and its result. Imports no torch."""

from __future__ import annotations

from typing import ClassVar

from fineline.resources.models.worker.protocol import AbsolutePath, Result, Task


class MergeChecked(Result):
    """How far the merged weights are from the model with its adapter, in nats.

    ``mean_difference`` is the mean over rows of the absolute difference of a row's loss (nats a token);
    ``adapter_effect`` is the same between the model without and with its adapter: a good merge differs by far
    less than the adapter changes. The others are over single tokens: absolute differences of their
    log-probabilities, the mean Kullback-Leibler divergence, and the share with the same most likely token.
    """

    rows: int
    positions: int
    mean_difference: float
    adapter_effect: float
    mean_token_difference: float
    maximum_token_difference: float
    divergence: float
    agreement: float


class MergeCheck(Task[MergeChecked]):
    """Compare ``model`` plus ``adapter`` with the ``merged`` weights.

    ``rows`` is a Parquet file with record_id, prompt and completion. Its first 16 rows by record_id are compared, each
    at the first 512 trained tokens at most.
    """

    runs: ClassVar[str] = "fineline.resources.models.release.merge_check:run"

    model: AbsolutePath
    adapter: AbsolutePath
    merged: AbsolutePath
    rows: AbsolutePath
