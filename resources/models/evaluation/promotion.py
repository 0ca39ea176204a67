"""Whether a model is good enough to be released, with the reasons in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from fineline.resources.core.recipe.models import Evaluation, Promotion
from fineline.resources.models.evaluation.statistics import (
    PairedTest,
    bootstrap_interval,
    compare_slices,
    paired,
    paired_test,
)
from fineline.resources.models.evaluation.tasks import BASELINE

SLICE_ROWS = 20


@dataclass(frozen=True)
class Decision:
    """The verdict, a sentence for each thing that was asked, and the figures behind it.

    ``table`` has a row for each comparison: comparison, rows, before, after, change, low, high, p_value, holds.
    """

    promote: bool
    reasons: list[str]
    table: pl.DataFrame


def loss_intervals(losses: pl.DataFrame, section: Evaluation) -> dict[str, tuple[float, float, float]]:
    """Mean loss of each model (nats a token) with its bootstrap interval, the highest loss first.

    Takes HeldOutLoss rows. The interval is of one model's mean over records; whether two models differ is
    for the paired test, which is sharper.
    """
    found = {}
    for (model,), rows in losses.sort("record_id").group_by("model", maintain_order=True):
        values = rows["loss"].to_numpy()
        interval = bootstrap_interval(values, section.bootstrap_samples, section.confidence, section.seed)
        found[str(model)] = (interval.mean, interval.low, interval.high)
    return dict(sorted(found.items(), key=lambda item: -item[1][0]))


def compare(losses: pl.DataFrame, before: str, after: str, evaluation: Evaluation) -> PairedTest:
    """The paired test of one model's losses against another's on the same records."""
    both = paired(losses, before, after)
    return paired_test(
        both["before"].to_numpy(),
        both["after"].to_numpy(),
        samples=evaluation.bootstrap_samples,
        confidence=evaluation.confidence,
        seed=evaluation.seed,
    )


def describe(test: PairedTest, confidence: float) -> str:
    """The figures of a test, for a sentence."""
    return (
        f"by {-test.mean_difference:+.4f} nats a token on {test.rows} held-out records "
        f"({confidence:.0%} interval {-test.high:+.4f} to {-test.low:+.4f}, p = {test.p_value:.4f})"
    )


def decide(losses: pl.DataFrame, candidate: str, base: str, section: Promotion, evaluation: Evaluation) -> Decision:
    """Compare the candidate with the base (or the model in service) and with the unigram baseline.

    It is promoted when its held-out loss is lower than the base's by at least ``minimum_improvement`` with a
    p value of at most ``maximum_p_value``, lower than the baseline's with such a p value, and in no slice
    (source and label) of 20 records or more higher than the base's by more than ``maximum_slice_regression``.
    """
    means = dict(losses.group_by("model").agg(pl.col("loss").mean()).iter_rows())
    rows: list[tuple[Any, ...]] = []
    reasons: list[str] = []
    for other, least in ((base, section.minimum_improvement), (BASELINE, 0.0)):
        test = compare(losses, other, candidate, evaluation)
        better, sure = -test.mean_difference, test.p_value <= section.maximum_p_value
        holds = better >= least and sure
        verdict = "improves on" if holds else "does not improve enough on"
        asked = f"; at least {least:.4f} with p at most {section.maximum_p_value} is asked"
        reasons.append(f"{candidate} {verdict} {other} {describe(test, evaluation.confidence)}{asked}.")
        figures = (test.mean_difference, test.low, test.high, test.p_value)
        rows.append((f"against {other}", test.rows, means[other], means[candidate], *figures, holds))
    for source, label, count, before, after, change in compare_slices(losses, base, candidate, SLICE_ROWS).iter_rows():
        holds = change <= section.maximum_slice_regression
        name = source if label is None else f"{source}, {label}"
        rows.append((f"slice {name}", count, before, after, change, None, None, None, holds))
        if not holds:
            reasons.append(
                f"In the slice {name} ({count} records) the loss rises by {change:.4f} nats a token; "
                f"{section.maximum_slice_regression:.4f} is allowed."
            )
    slices = len(rows) - 2
    if slices and all(row[-1] for row in rows[2:]):
        worst = max(row[4] for row in rows[2:])
        reasons.append(
            f"The largest change of loss in any of {slices} slices is {worst:+.4f} nats a token; "
            f"{section.maximum_slice_regression:+.4f} is allowed."
        )
    if not slices:
        reasons.append(f"No slice has {SLICE_ROWS} records, so slices were not compared.")
    schema = {
        "comparison": pl.String,
        "rows": pl.UInt32,
        **dict.fromkeys(["before", "after", "change", "low", "high", "p_value"], pl.Float64),
        "holds": pl.Boolean,
    }
    return Decision(all(row[-1] for row in rows), reasons, pl.DataFrame(rows, schema=schema, orient="row"))
