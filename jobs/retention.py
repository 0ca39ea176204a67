"""The job that removes what the recipe's retention no longer keeps, and says what it removed."""

from collections import Counter
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from fineline.assets.execution.definition import BATCHES
from fineline.resources.core.presentation.tables import markdown_table
from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.audit import retention
from fineline.resources.governance.audit.evidence import manifests
from fineline.resources.project import Project

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
SHOWN = 50
AT_ONCE = 1_000
CERTIFICATES = dg.AssetKey("forgetting_certificates")


class PruneConfig(dg.Config):
    """``dry_run`` lists what would be removed, and removes nothing."""

    dry_run: bool = False


@dg.op(out=dg.Out(dg.Nothing))
def remove_what_is_not_kept(context: dg.OpExecutionContext, project: Project, config: PruneConfig) -> None:
    """Removes superseded checkpoints, tables of batches that are gone, leftovers of killed runs, and old runs."""
    section, storage, now = project.recipe.retention, project.storage, datetime.now(UTC)
    offered = context.instance.get_dynamic_partitions(str(BATCHES.name))
    found = retention.removable(storage, section, offered, now)
    runs = old_runs(context.instance, storage, now - timedelta(days=section.runs_days))
    removed, busy = (found, []) if config.dry_run else retention.remove(storage, found)
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
            "files": dg.MetadataValue.md(_table(storage, removed)),
        }
    )


@dg.job(description="Removes what the recipe's section retention does not keep; dry_run: true only lists it.")
def prune() -> None:
    """The retention of a recipe, applied once."""
    remove_what_is_not_kept()


def old_runs(instance: dg.DagsterInstance, storage: Storage, before: datetime) -> list[str]:
    """Runs that ended and were started before, but those that are needed."""
    records = instance.get_run_records(dg.RunsFilter(statuses=ENDED, created_before=before))
    kept = needed_runs(instance, storage) if records else set()
    return [record.dagster_run.run_id for record in records if record.dagster_run.run_id not in kept]


def needed_runs(instance: dg.DagsterInstance, storage: Storage) -> set[str]:
    """The runs that made what is stored or any certificate of forgetting, or that hold an asset's last event."""
    needed: set[str] = set()
    for manifest in manifests(storage):
        needed.add(manifest.run_id)
    latest = instance.get_latest_materialization_events(instance.get_asset_keys())
    needed |= {entry.run_id for entry in latest.values() if entry is not None}
    return needed | {record.run_id for record in _all_materializations(instance, CERTIFICATES)}


def _all_materializations(instance: dg.DagsterInstance, asset: dg.AssetKey) -> Iterator[dg.EventLogRecord]:
    cursor: str | None = None
    while True:
        found = instance.fetch_materializations(asset, limit=AT_ONCE, cursor=cursor)
        yield from found.records
        if not found.has_more:
            return
        cursor = found.cursor


def delete_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete a run with its events and its logs; of SQLite storage also the file of its own, which stays otherwise."""
    # Imported here: it brings SQLAlchemy, which the definitions do without.
    from dagster._core.storage.event_log import SqliteEventLogStorage

    instance.delete_run(run_id)
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    if isinstance(instance.event_log_storage, SqliteEventLogStorage):
        shard = Path(instance.event_log_storage.path_for_shard(run_id))
        for path in (shard, shard.with_name(f"{shard.name}-wal"), shard.with_name(f"{shard.name}-shm")):
            path.unlink(missing_ok=True)


def _table(storage: Storage, removed: Collection[retention.Removal]) -> str:
    rows: list[list[Any]] = [
        [each.kind, each.path.relative_to(storage.root).as_posix(), each.size] for each in list(removed)[:SHOWN]
    ]
    return markdown_table(["kind", "path", "bytes"], rows)
