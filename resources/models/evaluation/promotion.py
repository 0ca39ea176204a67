"""The promotion test: whether a model is good enough to be released, with the reasons in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
class Comparison:
    """One thing that was asked of a model: losses before and after in nats a token, and whether it holds.

    The interval and the p value are of the change; a slice has none.
    """

    comparison: str
    rows: int
    before: float
    after: float
    change: float
    low: float | None
    high: float | None
    p_value: float | None
    holds: bool


@dataclass(frozen=True)
class Verdict:
    """Whether a model is promoted, a sentence for each thing that was asked, and the figures behind it.

    ``table`` has a row for each :class:`Comparison`.
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


def judge(losses: pl.DataFrame, candidate: str, base: str, section: Promotion, evaluation: Evaluation) -> Verdict:
    """Compare the candidate with the base (or the model in service) and with the unigram baseline.

    Takes HeldOutLoss rows. The candidate is promoted when its held-out loss is lower than the base's by at least
    ``minimum_improvement`` with a p value of at most ``maximum_p_value``, lower than the baseline's with such a
    p value, and in no slice (source and label) of 20 records or more higher than the base's by more than
    ``maximum_slice_regression``.
    """
    against = [
        _against(losses, candidate, other, least, section, evaluation)
        for other, least in ((base, section.minimum_improvement), (BASELINE, 0.0))
    ]
    slices = list(_slices(losses, candidate, base, section))
    comparisons = [*(comparison for comparison, _ in against), *slices]
    table = pl.DataFrame(comparisons, schema_overrides={"rows": pl.UInt32} | dict.fromkeys(_FIGURES, pl.Float64))
    reasons = [*(reason for _, reason in against), *_slice_reasons(slices, section)]
    return Verdict(all(each.holds for each in comparisons), reasons, table)


_FIGURES = ("before", "after", "change", "low", "high", "p_value")


def _against(
    losses: pl.DataFrame, candidate: str, other: str, least: float, section: Promotion, evaluation: Evaluation
) -> tuple[Comparison, str]:
    """The paired test against another model on the same records, and its sentence."""
    both = paired(losses, other, candidate)
    test = paired_test(
        both["before"].to_numpy(),
        both["after"].to_numpy(),
        samples=evaluation.bootstrap_samples,
        confidence=evaluation.confidence,
        seed=evaluation.seed,
    )
    holds = -test.mean_difference >= least and test.p_value <= section.maximum_p_value
    means = dict(losses.group_by("model").agg(pl.col("loss").mean()).iter_rows())
    figures = (means[other], means[candidate], test.mean_difference, test.low, test.high, test.p_value)
    verdict = "improves on" if holds else "does not improve enough on"
    asked = f"at least {least:.4f} with p at most {section.maximum_p_value} is asked"
    reason = f"{candidate} {verdict} {other} {_described(test, evaluation.confidence)}; {asked}."
    return Comparison(f"against {other}", test.rows, *figures, holds), reason


def _described(test: PairedTest, confidence: float) -> str:
    return (
        f"by {-test.mean_difference:+.4f} nats a token on {test.rows} held-out records "
        f"({confidence:.0%} interval {-test.high:+.4f} to {-test.low:+.4f}, p = {test.p_value:.4f})"
    )


def _slices(losses: pl.DataFrame, candidate: str, base: str, section: Promotion) -> Iterator[Comparison]:
    """The change of loss in each slice of enough records."""
    for source, label, count, before, after, change in compare_slices(losses, base, candidate, SLICE_ROWS).iter_rows():
        name = source if label is None else f"{source}, {label}"
        holds = change <= section.maximum_slice_regression
        yield Comparison(f"slice {name}", count, before, after, change, None, None, None, holds)


def _slice_reasons(slices: list[Comparison], section: Promotion) -> list[str]:
    """A sentence for each slice that got worse, or one for all of them."""
    allowed = section.maximum_slice_regression
    worse = [
        f"In the {each.comparison} ({each.rows} records) the loss rises by {each.change:.4f} nats a token; "
        f"{allowed:.4f} is allowed."
        for each in slices
        if not each.holds
    ]
    if worse:
        return worse
    if not slices:
        return [f"No slice has {SLICE_ROWS} records, so slices were not compared."]
    return [
        f"The largest change of loss in any of {len(slices)} slices is "
        f"{max(each.change for each in slices):+.4f} nats a token; {allowed:+.4f} is allowed."
    ]
