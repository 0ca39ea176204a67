"""The job ``prune``, which applies the retention of a recipe and lists what it removed."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import dagster as dg
import polars as pl

from fineline.assets.execution.partitions import BATCHES
from fineline.assets.execution.shown import frame_table
from fineline.resources.core.orchestrator.runs import delete_run, old_runs
from fineline.resources.core.storage.inventory import Inventory
from fineline.resources.governance import pruning
from fineline.resources.project import Project


class PruneConfig(dg.Config):
    """``dry_run`` lists what would be removed, and removes nothing."""

    dry_run: bool = False


@dg.op(out=dg.Out(dg.Nothing))
def remove_what_is_not_kept(
    context: dg.OpExecutionContext, project: dg.ResourceParam[Project], config: PruneConfig
) -> None:
    """Removes superseded checkpoints, tables of batches that are gone, leftovers of killed runs, and old runs."""
    section, storage, now = project.recipe.retention, project.storage, datetime.now(UTC)
    offered = context.instance.get_dynamic_partitions(str(BATCHES.name))
    found = pruning.removable(storage, section, offered, now)
    stored = [manifest for _, manifest in Inventory(storage).written() if manifest]
    runs = old_runs(context.instance, stored, now - timedelta(days=section.runs_days))
    removed, busy = (found, []) if config.dry_run else pruning.remove(storage, found)
    if not config.dry_run:
        for run_id in runs:
            delete_run(context.instance, run_id)
    kinds = Counter(each.kind for each in removed)
    size = sum(each.size for each in removed)
    verb = "would remove" if config.dry_run else "removed"
    context.log.info(f"{verb} {len(removed)} files and folders ({size / 2**20:,.1f} MiB) and {len(runs)} runs")
    context.add_output_metadata(
        {
            "dry run": config.dry_run,
            "runs": len(runs),
            **{kind: kinds[kind] for kind in ("checkpoints", "batch", "leftover")},
            "bytes": size,
            "left, as a run is at work": len(busy),
            "files": frame_table(
                pl.DataFrame([{"kind": each.kind, "path": each.key, "bytes": each.size} for each in removed])
            ),
        }
    )


@dg.job(description="Removes what the recipe's section retention does not keep; dry_run: true only lists it.")
def prune() -> None:
    """The retention of a recipe, applied once."""
    remove_what_is_not_kept()
