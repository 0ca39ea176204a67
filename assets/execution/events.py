"""What Dagster records of one execution: metadata and data version of each batch, and every check."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg

from fineline.assets.execution.partitions import batch_keys
from fineline.assets.execution.shown import inert_metadata
from fineline.data_contracts import catalog
from fineline.resources.core.orchestrator.internals import AssetCheckExecutionRecordStatus
from fineline.resources.core.orchestrator.versions import DATA_VERSION_TAG, row_count, version_tags
from fineline.resources.core.presentation.tables import first_few
from fineline.resources.core.recipe.base import digest
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Storage
from fineline.resources.models.exposure import flags_metadata

Outcome = dg.MaterializeResult[Any] | dg.AssetMaterialization


@dataclass(frozen=True)
class PublishedPartition:
    """A stored asset or batch, with the metadata that people see of it."""

    manifest: Manifest
    metadata: Mapping[str, Any] | None


def publish(
    context: dg.AssetExecutionContext,
    storage: Storage,
    stored: Iterable[PublishedPartition],
    checks: Iterable[dg.AssetCheckResult],
) -> Iterator[Outcome]:
    """The events of an execution, one for each batch that it was asked for."""
    by_batch = {each.manifest.batch: replace(each, metadata=inert_metadata(each.metadata or {})) for each in stored}
    for batch, each in by_batch.items():
        if batch is not None and each.metadata:
            context.add_asset_metadata(each.metadata, partition_key=batch)
    (only, *others) = [each.manifest.data_version for each in by_batch.values()]
    failing = _failing_elsewhere(context, storage, by_batch)
    yield dg.MaterializeResult(
        metadata=by_batch[None].metadata if None in by_batch else None,
        data_version=dg.DataVersion(digest(only, *others) if others else only),
        check_results=[_over_all_batches(check, failing.get(str(check.check_name), [])) for check in checks],
    )
    if others:
        # Dagster gives all partitions of a step one data version. Each batch needs its own, or adding a batch would
        # look like a change of the others.
        for each in by_batch.values():
            yield of_batch(context, each)


def of_batch(context: dg.AssetExecutionContext, stored: PublishedPartition) -> dg.AssetMaterialization:
    """The event of one batch, with its own data version."""
    return dg.AssetMaterialization(
        context.asset_key,
        partition=stored.manifest.batch,
        metadata=inert_metadata(stored.metadata or {}),
        tags={**version_tags(stored.manifest), **_provenance(context, str(stored.manifest.batch))},
    )


def publish_unchanged(
    context: dg.AssetExecutionContext, storage: Storage, manifests: Iterable[Manifest]
) -> Iterator[Outcome]:
    """The events of an execution that found everything up to date: those of when it was made."""
    published = [last_published(context, manifest) for manifest in manifests]
    checks = [_last_result(context, key) for key in context.selected_asset_check_keys]
    yield from publish(context, storage, published, checks)


def last_published(context: dg.AssetExecutionContext, manifest: Manifest) -> PublishedPartition:
    """A stored asset with the metadata of its last event."""
    batches = [manifest.batch] if manifest.batch else None
    last = dg.AssetRecordsFilter(context.asset_key, asset_partitions=batches)
    for record in context.instance.fetch_materializations(last, limit=1).records:
        if record.asset_materialization is not None:
            return PublishedPartition(manifest, {**record.asset_materialization.metadata, **flags_metadata(manifest)})
    return PublishedPartition(manifest, row_count(manifest))


def _last_result(context: dg.AssetExecutionContext, key: dg.AssetCheckKey) -> dg.AssetCheckResult:
    """The last result of a check. A blocking one passed, or the asset would be made again; a warning may stand."""
    succeeded, failed = AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED
    last = _evaluation(context, key, {succeeded, failed})
    if last is not None and not last.passed and last.severity == dg.AssetCheckSeverity.ERROR:
        last = _evaluation(context, key, {succeeded})
    if last is None:
        return dg.AssetCheckResult(check_name=key.name, passed=True, description="Nothing changed since it passed.")
    return dg.AssetCheckResult(
        check_name=key.name,
        passed=last.passed,
        severity=last.severity,
        metadata=inert_metadata(last.metadata),
        description=last.description,
    )


def _evaluation(
    context: dg.AssetExecutionContext, key: dg.AssetCheckKey, status: set[AssetCheckExecutionRecordStatus]
) -> dg.AssetCheckEvaluation | None:
    """The latest evaluation of a check with one of these statuses."""
    history = context.instance.event_log_storage.get_asset_check_execution_history(key, limit=1, status=status)
    event = history[0].event.dagster_event if history and history[0].event else None
    return event.asset_check_evaluation_data if event else None


def _failing_elsewhere(
    context: dg.AssetExecutionContext, storage: Storage, published: Collection[str | None]
) -> Mapping[str, list[str]]:
    """The batches of the asset that are not published now and fail a check, by check."""
    asset, failing = context.asset_key.to_user_string(), defaultdict[str, list[str]](list)
    if catalog.entry(asset).per_batch:
        for batch in set(batch_keys(context.instance)) - set(published):
            manifest = storage.manifest(asset, batch)
            for check in manifest.failed_checks if manifest else []:
                failing[check].append(batch)
    return failing


def _over_all_batches(check: dg.AssetCheckResult, failing: Collection[str]) -> dg.AssetCheckResult:
    """The check over all batches: Dagster shows the latest result only, and a good batch must not hide a bad one."""
    if not check.passed or not failing:
        return check
    return check._replace(
        passed=False,
        description=f"Passed here, but still fails for {first_few(sorted(failing))}: correct the data of that batch.",
    )


def _provenance(context: dg.AssetExecutionContext, batch: str) -> dict[str, str]:
    """The tags from which Dagster derives what a batch was made from, for its "unsynced" mark in the UI."""
    tags = {}
    for dep in context.assets_def.get_asset_spec(context.asset_key).deps:
        same_batch = dg.AssetRecordsFilter(dep.asset_key, asset_partitions=[batch])
        for record in context.instance.fetch_materializations(same_batch, limit=1).records:
            name, event = dep.asset_key.to_user_string(), record.asset_materialization
            tags[f"dagster/input_data_version/{name}"] = event.tags[DATA_VERSION_TAG]
            tags[f"dagster/input_event_pointer/{name}"] = str(record.storage_id)
    return tags
