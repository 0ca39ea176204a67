"""Dagster's runs: those whose process is gone, those that nothing needs any more, and deleting one completely."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import dagster as dg

from fineline.data_contracts import catalog
from fineline.resources.core.orchestrator.internals import MAX_RETRIES_TAG, RANGE_END_TAG, RANGE_START_TAG
from fineline.resources.core.orchestrator.launcher import RUNNER_TAG, living_process, read_runner, runner
from fineline.resources.core.storage.manifest import Manifest

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
PAGE = 1_000


def runner_tags(recipe: str) -> dict[str, str]:
    """The tags of a run that this process executes.

    Whoever started the command sees a failure and can repeat the command, so the daemon must not retry the run.
    """
    return {RUNNER_TAG: runner(), "fineline/recipe": recipe, MAX_RETRIES_TAG: "0"}


def range_tags(batches: Sequence[str]) -> dict[str, str]:
    """The tags of a run of batches that are neighbours in Dagster's order, from the first to the last."""
    return {RANGE_START_TAG: batches[0], RANGE_END_TAG: batches[-1]}


def close_interrupted(instance: dg.DagsterInstance) -> list[str]:
    """Mark as canceled the runs of commands whose process is gone, as after kill -9; returns their ids.

    Otherwise they would stay STARTED and keep their pool slots.
    """
    closed = []
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        owner = run.tags.get(RUNNER_TAG)
        if owner is not None and living_process(*read_runner(owner)) is None:
            instance.report_run_canceled(run, message="The process that ran this is gone; run again to go on.")
            if instance.event_log_storage.supports_global_concurrency_limits:
                instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            closed.append(run.run_id)
    return closed


def old_runs(instance: dg.DagsterInstance, stored: Iterable[Manifest], before: datetime) -> list[str]:
    """The ids of ended runs that were created before a time and are not needed."""
    records = instance.get_run_records(dg.RunsFilter(statuses=ENDED, created_before=before))
    kept = needed_runs(instance, stored) if records else set()
    return [record.dagster_run.run_id for record in records if record.dagster_run.run_id not in kept]


def needed_runs(instance: dg.DagsterInstance, stored: Iterable[Manifest]) -> set[str]:
    """The ids of runs that made what is stored or any certificate of forgetting, or hold an asset's latest event."""
    needed = {manifest.run_id for manifest in stored}
    latest = instance.get_latest_materialization_events(instance.get_asset_keys())
    needed |= {entry.run_id for entry in latest.values() if entry is not None}
    certificates = dg.AssetKey(catalog.FORGETTING_CERTIFICATES.name)
    return needed | {record.run_id for record in _materializations(instance, certificates)}


def delete_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete a run with its events, its logs and, of SQLite storage, its file."""
    # Imported here: it loads SQLAlchemy, which the definitions do without.
    from fineline.resources.core.orchestrator.storage_internals import SqliteEventLogStorage

    instance.delete_run(run_id)
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    if isinstance(instance.event_log_storage, SqliteEventLogStorage):
        shard = Path(instance.event_log_storage.path_for_shard(run_id))
        for path in (shard, shard.with_name(f"{shard.name}-wal"), shard.with_name(f"{shard.name}-shm")):
            path.unlink(missing_ok=True)


def _materializations(instance: dg.DagsterInstance, asset: dg.AssetKey) -> Iterator[dg.EventLogRecord]:
    cursor: str | None = None
    while True:
        found = instance.fetch_materializations(asset, limit=PAGE, cursor=cursor)
        yield from found.records
        if not found.has_more:
            return
        cursor = found.cursor
