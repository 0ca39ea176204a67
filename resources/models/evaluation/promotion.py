"""The promotion test: whether a model is good enough to be released, with the reasons in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from fineline.resources.core.recipe.models import Evaluation, Promotion
from fineline.resources.models.evaluation.statistics import (
    Interval,
    bootstrap_interval,
    compare_slices,
    paired,
    paired_test,
)
from fineline.resources.models.evaluation.tasks import BASELINE

SLICE_ROWS = 20


@dataclass(frozen=True)
class Verdict:
    """Whether a model is promoted, a sentence for each thing that was asked, and the figures behind it.

    ``table`` has a row for each comparison: comparison, rows, before, after, change, low, high, p_value, holds; losses
    in nats a token. A slice has no interval and no p value.
    """

    promote: bool
    reasons: list[str]
    table: pl.DataFrame


def loss_intervals(losses: pl.DataFrame, section: Evaluation) -> dict[str, Interval]:
    """Mean loss of each model (nats a token) with its bootstrap interval, the highest loss first.

    Takes HeldOutLoss rows. The interval is of one model's mean over records; whether two models differ is
    for the paired test, which is sharper.
    """
    samples, confidence, seed = section.bootstrap_samples, section.confidence, section.seed
    found = {
        str(model): bootstrap_interval(rows["loss"].to_numpy(), samples, confidence, seed)
        for (model,), rows in losses.sort("record_id").group_by("model", maintain_order=True)
    }
    return dict(sorted(found.items(), key=lambda item: -item[1].mean))


def judge(losses: pl.DataFrame, candidate: str, base: str, section: Promotion, evaluation: Evaluation) -> Verdict:
    """Compare the candidate with the base (or the model in service) and with the unigram baseline.

    Takes HeldOutLoss rows. The candidate is promoted when its held-out loss is lower than the base's by at least
    ``minimum_improvement`` with a p value of at most ``maximum_p_value``, lower than the baseline's with such a
    p value, and in no slice (source and label) of 20 records or more higher than the base's by more than
    ``maximum_slice_regression``.
    """
    tests, reasons = [], []
    for other, least in ((base, section.minimum_improvement), (BASELINE, 0.0)):
        test, reason = _against(losses, candidate, other, least, section.maximum_p_value, evaluation)
        tests.append(test)
        reasons.append(reason)
    slices = compare_slices(losses, base, candidate, SLICE_ROWS).select(
        pl.format("slice {}", pl.concat_str("source", "label", separator=", ", ignore_nulls=True)).alias("comparison"),
        *("rows", "before", "after", "change"),
        holds=pl.col("change") <= section.maximum_slice_regression,
    )
    table = pl.concat([pl.DataFrame(tests, schema_overrides={"rows": pl.UInt32}), slices], how="diagonal")
    return Verdict(table["holds"].all(), [*reasons, *_slice_reasons(slices, section.maximum_slice_regression)], table)


def _against(
    losses: pl.DataFrame, candidate: str, other: str, least: float, maximum_p_value: float, evaluation: Evaluation
) -> tuple[dict[str, Any], str]:
    """The paired test against another model on the same records, as a row of the table and as a sentence."""
    both = paired(losses, other, candidate)
    samples, confidence = evaluation.bootstrap_samples, evaluation.confidence
    before, after = both["before"].to_numpy(), both["after"].to_numpy()
    test = paired_test(before, after, samples=samples, confidence=confidence, seed=evaluation.seed)
    holds = -test.change >= least and test.p_value <= maximum_p_value
    row = {"comparison": f"against {other}", "rows": len(before), "before": before.mean(), "after": after.mean()}
    return {**row, **test._asdict(), "holds": holds}, (
        f"{candidate} {'improves on' if holds else 'does not improve enough on'} {other} by {-test.change:+.4f} nats a "
        f"token on {len(before)} held-out records ({confidence:.0%} interval {-test.high:+.4f} to {-test.low:+.4f}, "
        f"p = {test.p_value:.4f}); at least {least:.4f} with p at most {maximum_p_value} is asked."
    )


def _slice_reasons(slices: pl.DataFrame, allowed: float) -> list[str]:
    """A sentence for each slice that got worse, or one for all of them."""
    if slices.is_empty():
        return [f"No slice has {SLICE_ROWS} records, so slices were not compared."]
    worse = [
        f"In the {name} ({rows} records) the loss rises by {change:.4f} nats a token; {allowed:.4f} is allowed."
        for name, rows, change in slices.filter(~pl.col("holds")).select("comparison", "rows", "change").iter_rows()
    ]
    largest = max(slices["change"].to_list())
    return worse or [
        f"The largest change of loss in any of {slices.height} slices is {largest:+.4f} nats a token; "
        f"{allowed:+.4f} is allowed."
    ]
