"""Everything that Dagster shows and runs, gathered from the recipe that the environment names."""

import os
from typing import Any

import dagster as dg

from fineline.assets.arrivals import arrivals
from fineline.assets.pipeline import pipeline_assets
from fineline.data_contracts import catalog
from fineline.jobs.prune import prune
from fineline.jobs.selections import audit, forget, main
from fineline.resources.core.orchestrator.console import plain_console
from fineline.resources.core.presentation.output import quieten_output
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.project import current_project
from fineline.schedules.alerts import failure_alerts
from fineline.schedules.arrivals import new_batches
from fineline.schedules.automation import follow_data, freshness_policy, on_change
from fineline.schedules.timetable import schedules
from fineline.schedules.waiting import waiting_alerts


def build(recipe: str | None = None) -> dg.Definitions:
    """The definitions of a recipe, or of the one that the environment names. Raises RecipeError."""
    project = current_project(recipe)
    loaded, condition = project.recipe, on_change(project)
    return dg.Definitions(
        assets=[
            arrivals,
            *dg.map_asset_specs(lambda spec: _by_itself(spec, loaded, condition), pipeline_assets(loaded)),
        ],
        jobs=[main, audit, prune, forget],
        schedules=schedules(loaded.automation),
        sensors=[
            follow_data(loaded.automation),
            new_batches,
            failure_alerts(loaded.name, loaded.alerts),
            waiting_alerts(loaded.name, loaded.alerts),
        ],
        # Without settings, so that a launch which gives another recipe or storage root is refused.
        resources={"project": dg.ResourceDefinition(lambda _: project, config_schema={})},
        # Steps share what they have loaded; training and generation run in processes of their own.
        executor=dg.in_process_executor,
        # Dagster stores what the console shows with the run, so it shows the keys of batches, never their names.
        loggers={"console": plain_console},
    )


def _by_itself(spec: dg.AssetSpec, recipe: Recipe, condition: dg.AutomationCondition[Any]) -> dg.AssetSpec:
    """What Dagster does with an asset unasked; those about the pipeline follow no data."""
    if catalog.entry(spec.key.to_user_string()).governs:
        return spec
    policy = freshness_policy(spec.key.to_user_string(), recipe.freshness)
    return spec.replace_attributes(automation_condition=condition, freshness_policy=policy)


os.umask(0o077)  # Also what Dagster writes is its owner's alone, whoever started this process.
quieten_output()
defs = build()
