"""Whether models are trained again now, with the reasons."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl

from fineline.assets.execution.inputs import Making, made_when_changed, recipe_metadata
from fineline.assets.models import ML_OWNERS
from fineline.resources.core.presentation.tables import frame_table
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.store import Manifest
from fineline.resources.planning.retraining import DECISION, decide
from fineline.resources.project import Project


def decision_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """The decision, where the recipe trains a model."""
    return [_retrain_decision(recipe)] if recipe.training.stages else []


def _retrain_decision(recipe: Recipe) -> dg.AssetsDefinition:
    datasets = sorted({stage.dataset.name for stage in recipe.training.stages})

    @dg.asset(
        name=DECISION,
        group_name="models",
        kinds={"polars"},
        owners=ML_OWNERS,
        code_version="1",
        deps=[*datasets, "base_model"],
        metadata={
            "recipe parts": [
                "retrain",
                *[f"training.stages.{stage.name}" for stage in recipe.training.stages],
                "training.dtype",
            ]
        },
    )
    @made_when_changed
    def retrain_decision(context: dg.AssetExecutionContext, project: Project) -> dg.MaterializeResult[Any]:
        """What would be trained now, and why, or why not: the one place that says so.

        Guarantees: models are trained on its decision alone; its data version changes only when it decides to
        train from something else than before.
        """
        stage = Making(context, project)
        decision, origin = decide(stage.storage, stage.recipe, datetime.now(UTC)), stage.origin()
        table = pl.DataFrame([dataclasses.asdict(reason) for reason in decision.reasons])
        table = table.with_columns(met=pl.when("met").then(pl.lit("yes")).otherwise(pl.lit("no")))
        facts: dict[str, Any] = {
            "train": decision.train,
            "sentence": decision.sentence,
            "approved": dict(decision.approved),
            "parts": {stage: dict(parts) for stage, parts in decision.parts.items()},
            "decided": [time.isoformat() for time in decision.decided],
        }
        stage.storage.commit(
            Manifest(
                asset=DECISION,
                batch=None,
                data_version=decision.version,
                code_version=origin.code_version,
                inputs=dict(origin.inputs),
                files={},
                run_id=origin.run_id,
                facts=facts,
            )
        )
        context.log.info(decision.sentence)
        return dg.MaterializeResult(
            metadata={
                "decision": "train" if decision.train else "wait",
                "reasons": dg.MetadataValue.md(frame_table(table)),
                **decision.figures,
                **recipe_metadata(project),
            },
            data_version=dg.DataVersion(decision.version),
        )

    return retrain_decision
