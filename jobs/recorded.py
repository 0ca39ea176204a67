"""Brings Dagster's history up to what is stored: a run that was killed may have stored more than it recorded."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, partial

import dagster as dg

from fineline.assets.execution.rules import is_rule
from fineline.resources.core.orchestrator.versions import DATA_VERSION_TAG, row_count, version_tags
from fineline.resources.core.storage.store import Storage
from fineline.resources.planning.plan import Task


def record_what_is_stored(
    definitions: dg.Definitions, instance: dg.DagsterInstance, storage: Storage, tasks: Iterable[Task]
) -> list[str]:
    """Record each stored asset that Dagster has no event of; returns their labels.

    A manifest is put in place before Dagster records an event of it. Without this, an asset that was complete when its
    run was killed would be made again, or be missing in the UI.
    """
    graph = definitions.resolve_asset_graph()
    recorded_versions = cache(partial(_recorded_versions, instance))
    recorded = []
    for task in tasks:
        manifest = storage.manifest(task.asset, task.batch)
        key = dg.AssetKey(task.asset)
        if manifest is None or recorded_versions(key).get(task.batch) == manifest.data_version:
            continue
        noted = {"recorded": "after its run was interrupted"}
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                key, partition=manifest.batch, metadata={**row_count(manifest), **noted}, tags=version_tags(manifest)
            )
        )
        # A manifest knows its blocking checks; those that only warn have no result until the asset is made again.
        for check in graph.get_check_keys_for_assets({key}):
            if is_rule(task.asset, check.name):
                continue
            passed = check.name not in manifest.failed_checks
            instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    asset_key=key, check_name=check.name, passed=passed, metadata=noted, blocking=True
                )
            )
        recorded.append(task.label)
    return recorded


def _recorded_versions(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str | None, str | None]:
    """The data version that Dagster last recorded, by batch; that of the asset as a whole by None."""
    tag, event = DATA_VERSION_TAG, dg.DagsterEventType.ASSET_MATERIALIZATION
    by_batch = instance.event_log_storage.get_latest_tags_by_partition(key, event, [tag])
    versions: dict[str | None, str | None] = {batch: tags.get(tag) for batch, tags in by_batch.items()}
    records = instance.fetch_materializations(dg.AssetRecordsFilter(key), limit=1).records
    materialization = records[0].asset_materialization if records else None
    versions[None] = None if materialization is None else (materialization.tags or {}).get(tag)
    return versions
