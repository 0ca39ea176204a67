"""Assets follow their data: the condition that requests stale assets, its sensor, and how old an asset may become."""

import json
import warnings
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from fineline.assets.pipeline import nodes
from fineline.data_contracts import catalog
from fineline.resources.core.orchestrator.internals import NOT_FINISHED_STATUSES, AssetKeyPartitionKey
from fineline.resources.core.recipe.operations import Automation, Freshness
from fineline.resources.data.ingestion.batches import versions_of
from fineline.resources.data.ingestion.registry import registry_of
from fineline.resources.planning.plan import plan
from fineline.resources.planning.waves import ready, together
from fineline.resources.project import Project

# Conditions written in Python are evaluated by the code server, which Dagster calls beta; the pinned version is tested.
warnings.filterwarnings("ignore", message="Parameter `use_user_code_server`", category=dg.BetaWarning)

Wanted = dict[str, dict[str | None, str]]


class Stale(dg.AutomationCondition[dg.AssetKey]):
    """Requests an asset when its manifest no longer matches its code, recipe or inputs; once for each such state.

    Dagster's own conditions follow events, and can miss an input that changes while its follower runs, or while no
    daemon does. They also know only direct inputs, and would make a table in between while an earlier one is still to
    be made. This condition compares everything with the manifests, by the planner that ``fineline run`` uses:

    - a batch follows its arrival; tables of all batches wait until no batch is stale;
    - when one of these tables is stale, those below it are requested in the same run, where each that turns out to be
      unchanged is skipped; the decision to train is the last of them;
    - models follow the decision, and wait for all tables; evaluation and release follow the models.

    An asset that was requested and failed is not requested again until its code, recipe, inputs or stored version
    change. Assets that such a run left unmade are requested once more, without the one that failed.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._planned: tuple[datetime, Wanted] | None = None

    @property
    def name(self) -> str:
        """The condition's name in the UI."""
        return "stale by its manifest"

    @property
    def requires_cursor(self) -> bool:
        """Whether a cursor is kept: it holds the states that were requested, by batch."""
        return True

    def __hash__(self) -> int:
        return hash(self.name)

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        """The batches of the asset that are to be made now; of an asset without batches, whether it is."""
        asset = context.key.to_user_string()
        wanted = self._plan(context).get(asset, {})
        asked: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
        free = {each.partition_key for each in context.candidate_subset.expensively_compute_asset_partitions()}
        new = [batch for batch, state in wanted.items() if batch in free and asked.get(batch or "") != state]
        subset = context.asset_graph_view.get_asset_subset_from_asset_partitions(
            context.key, {AssetKeyPartitionKey(context.key, batch) for batch in new}
        )
        requested = {name: state for name, state in asked.items() if (name or None) in wanted}
        requested |= {batch or "": wanted[batch] for batch in new}
        return dg.AutomationResult(context, subset, cursor=json.dumps(requested))

    def _plan(self, context: dg.AutomationContext[dg.AssetKey]) -> Wanted:
        """What may be made now, planned once for all assets of a tick."""
        if self._planned is None or self._planned[0] != context.evaluation_time:
            project, graph = self._project, nodes(context.asset_graph)
            arrived = versions_of(registry_of(project.storage), project.recipe.sources)
            found = ready(graph, plan(graph, project.storage, arrived, project.recipe))
            busy = _being_made(context.asset_graph_view.instance) - {"batch"}
            free = {asset: batches for asset, batches in found.items() if together(asset) not in busy}
            self._planned = (context.evaluation_time, free)
        return self._planned[1]


def _being_made(instance: dg.DagsterInstance) -> set[str]:
    """The kinds of runs that are under way or in the queue; another of the same kind waits for them."""
    under_way = instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES))
    return {together(key.to_user_string()) for run in under_way for key in run.asset_selection or ()}


def on_change(project: Project) -> dg.AutomationCondition[Any]:
    """The condition of every asset of a recipe: it is stale, and not being made."""
    return (~dg.AutomationCondition.in_progress() & Stale(project)).with_label("on change")


def follow_data(settings: Automation) -> dg.AutomationConditionSensorDefinition:
    """The sensor that evaluates the conditions; a choice made in the UI wins over the recipe."""
    status = dg.DefaultSensorStatus.RUNNING if settings.follow_data else dg.DefaultSensorStatus.STOPPED
    return dg.AutomationConditionSensorDefinition(
        "follow_data",
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=10,
        use_user_code_server=True,
        default_status=status,
        description="Rebuilds assets when their inputs have changed. On with automation.follow_data.",
    )


def freshness_policy(asset: str, section: Freshness) -> dg.FreshnessPolicy | None:
    """How old an asset may become before Dagster marks it as overdue; None where the recipe sets no limit.

    Dagster counts from the last materialization, including one that only found the asset up to date.
    """
    limits = {
        catalog.RAW_CORPUS.name: section.corpus_hours,
        catalog.CURATED_CORPUS.name: section.corpus_hours,
        catalog.RELEASE.name: section.release_hours,
    }
    hours = limits.get(asset)
    return None if hours is None else dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=hours))
