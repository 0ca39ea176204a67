"""Intervals and tests on paired per-record figures, by resampling: no assumption of normality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BLOCK = 4_000_000
METHOD = "sign-flip permutation test on paired differences, two-sided; percentile bootstrap interval"


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedTest:
    """The mean of ``after - before`` over the same records, with interval and p value."""

    mean_difference: float
    low: float
    high: float
    p_value: float
    rows: int
    method: str = METHOD


def resampled_means(values: Floats, samples: int, generator: np.random.Generator, *, flip: bool) -> Floats:
    """Means of ``samples`` resamples: drawn with replacement, or with random signs (``flip``)."""
    means = []
    block = max(1, BLOCK // len(values))
    for start in range(0, samples, block):
        shape = (min(block, samples - start), len(values))
        if flip:
            means.append((values * generator.choice([-1.0, 1.0], size=shape)).mean(axis=1))
        else:
            means.append(values[generator.integers(0, len(values), size=shape)].mean(axis=1))
    return np.concatenate(means)


def bootstrap_interval(values: Floats, samples: int, confidence: float, seed: int) -> Interval:
    """Percentile bootstrap interval of the mean (Efron 1979). ``values`` must not be empty."""
    means = resampled_means(values, samples, np.random.default_rng(seed), flip=False)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(values.mean()), float(low), float(high))


def paired_test(before: Floats, after: Floats, *, samples: int, confidence: float, seed: int) -> PairedTest:
    """Has the mean changed, record by record?

    The p value is (1 + resamples at least as extreme) / (1 + resamples) of a two-sided sign-flip permutation
    test (Phipson and Smyth 2010), so it is never zero: at its lowest it is 1 / (1 + samples).
    """
    difference = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    interval = bootstrap_interval(difference, samples, confidence, seed)
    flipped = resampled_means(difference, samples, np.random.default_rng(seed + 1), flip=True)
    # rounding must not make a resample of equal size look smaller than what was seen
    extreme = np.abs(flipped) >= abs(interval.mean) * (1 - 1e-9)
    p_value = (1 + int(extreme.sum())) / (1 + samples)
    return PairedTest(interval.mean, interval.low, interval.high, p_value, len(difference))


def paired(losses: pl.DataFrame, before: str, after: str) -> pl.DataFrame:
    """HeldOutLoss rows of two models side by side: record_id, source, label, before, after."""
    keys = ["record_id", "source", "label"]
    sides = [
        losses.filter(pl.col("model") == model).select(*keys, pl.col("loss").alias(name))
        for model, name in ((before, "before"), (after, "after"))
    ]
    return sides[0].join(sides[1].select("record_id", "after"), on="record_id").sort("record_id")


def compare_slices(losses: pl.DataFrame, before: str, after: str, minimum_rows: int) -> pl.DataFrame:
    """Mean losses of two models in each slice (source and label) that has at least ``minimum_rows`` rows.

    Columns: source, label, rows, before, after, change (after - before, nats a token; above 0 is worse).
    """
    return (
        paired(losses, before, after)
        .group_by("source", "label")
        .agg(pl.len().alias("rows"), pl.col("before").mean(), pl.col("after").mean())
        .filter(pl.col("rows") >= minimum_rows)
        .with_columns((pl.col("after") - pl.col("before")).alias("change"))
        .sort("source", "label", nulls_last=False)
    )
