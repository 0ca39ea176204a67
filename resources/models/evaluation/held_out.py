"""What the held-out losses of several models say at a glance."""

import polars as pl

from fineline.resources.core.recipe.models import Evaluation
from fineline.resources.models.evaluation.statistics import bootstrap_interval


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
