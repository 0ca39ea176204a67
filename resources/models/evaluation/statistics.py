"""Bootstrap intervals and sign-flip permutation tests on paired per-record losses; neither assumes normality."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import bootstrap, permutation_test

Floats = NDArray[np.float64]
# Values held at once: about 64 MB for the resamples of a test.
BLOCK = 4_000_000


class Interval(NamedTuple):
    """A mean with its confidence interval."""

    mean: float
    low: float
    high: float


class PairedTest(NamedTuple):
    """The mean of ``after - before`` over the same records, with interval and p value."""

    change: float
    low: float
    high: float
    p_value: float


def bootstrap_interval(values: Floats, samples: int, confidence: float, seed: int) -> Interval:
    """Percentile bootstrap interval of the mean (Efron 1979). ``values`` must not be empty."""
    mean = float(values.mean())
    if len(values) == 1:
        return Interval(mean, mean, mean)
    found = bootstrap(
        (values,),
        np.mean,
        n_resamples=samples,
        confidence_level=confidence,
        method="percentile",
        batch=max(1, BLOCK // len(values)),
        rng=np.random.default_rng(seed),
    ).confidence_interval
    # Of equal values, the two percentiles may differ in their last bit, the wrong way round.
    low, high = sorted((float(found.low), float(found.high)))
    return Interval(mean, low, high)


def sign_flip_p_value(differences: Floats, samples: int, seed: int) -> float:
    """The p value of a two-sided sign-flip permutation test of the mean against zero.

    It is (1 + resamples at least as extreme) / (1 + resamples) (Phipson and Smyth 2010), so it is never zero. Where
    there are no more than ``samples`` ways to flip the signs, all are tried, and the p value is exact.
    """
    if len(differences) == 1:
        return 1.0
    # Under sign flips the mean is symmetric about zero, so both of its tails are the upper tail of its size.
    found = permutation_test(
        (differences,),
        lambda flipped, axis: np.abs(flipped.mean(axis=axis)),
        permutation_type="samples",
        alternative="greater",
        n_resamples=samples,
        batch=max(1, BLOCK // len(differences)),
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def paired_test(before: Floats, after: Floats, *, samples: int, confidence: float, seed: int) -> PairedTest:
    """Whether the mean has changed, record by record: its difference with a bootstrap interval and a p value."""
    differences = after - before
    interval = bootstrap_interval(differences, samples, confidence, seed)
    return PairedTest(*interval, sign_flip_p_value(differences, samples, seed + 1))


def paired(losses: pl.DataFrame, before: str, after: str) -> pl.DataFrame:
    """HeldOutLoss rows of two models joined by record: record_id, source, label, before, after."""
    first = losses.filter(model=before).select("record_id", "source", "label", before="loss")
    return first.join(losses.filter(model=after).select("record_id", after="loss"), on="record_id").sort("record_id")


def compare_slices(losses: pl.DataFrame, before: str, after: str, minimum_rows: int) -> pl.DataFrame:
    """Mean losses of two models in each slice (source and label) that has at least ``minimum_rows`` rows.

    Columns: source, label, rows, before, after, change (after - before, nats a token; above 0 is worse).
    """
    return (
        paired(losses, before, after)
        .group_by("source", "label")
        .agg(pl.col("before", "after").mean(), rows=pl.len())
        .filter(pl.col("rows") >= minimum_rows)
        .select("source", "label", "rows", "before", "after", change=pl.col("after") - pl.col("before"))
        .sort("source", "label", nulls_last=False)
    )
