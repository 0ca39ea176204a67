"""Everything that Dagster shows and runs, gathered from the recipe that the environment names."""

import dagster as dg

from fineline.assets.pipeline import pipeline_assets
from fineline.jobs.console import plain_console
from fineline.jobs.selections import forget, main
from fineline.resources.project import current_project
from fineline.schedules.arrivals import new_batches
from fineline.schedules.automation import condition, follow_data


def build(recipe: str | None = None) -> dg.Definitions:
    """The definitions of a recipe; of FINELINE_RECIPE, or quickstart, where none is given.

    Raises:
        RecipeError: the recipe is missing or does not fit.
    """
    project = current_project(recipe)
    assets = dg.map_asset_specs(
        lambda spec: spec.replace_attributes(automation_condition=condition(spec.key.to_user_string(), project.recipe)),
        pipeline_assets(project.recipe),
    )
    return dg.Definitions(
        assets=assets,
        jobs=[main, forget],
        sensors=[follow_data, new_batches],
        resources={"project": project},
        # Steps share what they have loaded; training and generation run in processes of their own.
        executor=dg.in_process_executor,
        loggers={"console": plain_console},
    )


defs = build()
