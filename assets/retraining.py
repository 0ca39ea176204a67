"""Whether models are trained again now, with the reasons."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import dagster as dg
import polars as pl

from fineline.assets.execution.definition import MODEL_TEAM, asset
from fineline.assets.execution.folders import FolderRun
from fineline.assets.execution.shown import frame_table
from fineline.data_contracts import catalog
from fineline.resources.core.recipe.models import Retrain
from fineline.resources.core.recipe.training import Training
from fineline.resources.planning.retraining import RetrainDecision, decide_retraining
from fineline.resources.planning.version import VERSION


@asset(catalog.RETRAIN_DECISION, version=VERSION, owner=MODEL_TEAM)
def retrain_decision(run: FolderRun, retrain: Retrain, training: Training) -> None:
    """What would be trained now, and why, or why not: the one place that holds the decision.

    Guarantees: models are trained on its decision alone; its data version changes only when it decides to
    train from something else than before.
    """
    decision = decide_retraining(run.storage, retrain, training, datetime.now(UTC))
    facts = {
        "train": decision.train,
        "sentence": decision.sentence,
        "approved": dict(decision.approved),
        "parts": {stage: dict(parts) for stage, parts in decision.parts.items()},
        "decided": [time.isoformat() for time in decision.decided],
    }
    run.log.info(decision.sentence)
    run.record(decision.version, facts, {**_shown(decision), **decision.figures})


def _shown(decision: RetrainDecision) -> dict[str, str | dg.MetadataValue]:
    table = pl.DataFrame([dataclasses.asdict(reason) for reason in decision.reasons])
    table = table.with_columns(met=pl.when("met").then(pl.lit("yes")).otherwise(pl.lit("no")))
    verdict = "train" if decision.train else "wait"
    return {"decision": verdict, "reasons": frame_table(table)}
