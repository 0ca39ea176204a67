"""The sensor that reports arrivals to Dagster, as partitions and events, so that downstream assets are rebuilt."""

import time
from collections.abc import Mapping, Sequence

import dagster as dg

from fineline.assets.arrivals import arrivals
from fineline.assets.execution.partitions import BATCHES
from fineline.data_contracts import catalog
from fineline.resources.core.orchestrator.versions import DATA_VERSION_TAG, GIVEN_VERSION_TAG
from fineline.resources.core.presentation.inert import inert_lines
from fineline.resources.core.recipe.sources import Source
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.store import Storage
from fineline.resources.data.ingestion.batches import accept_again, known_arrivals
from fineline.resources.data.ingestion.registry import Arrival
from fineline.resources.data.ingestion.scan import scan_sources
from fineline.resources.data.ingestion.source_scan import SourceScan
from fineline.resources.project import Project

# Dagster stores events one by one. What is not reported in this time is reported after the next scan.
SECONDS_OF_EVENTS = 15.0
# SQLite takes only so many values at once.
KEYS_AT_ONCE = 500


def sync_arrivals(instance: dg.DagsterInstance, storage: Storage, sources: Sequence[Source]) -> SourceScan:
    """Scan the sources, and report to Dagster: the batch partitions, and an event for each new or changed batch.

    One process at a time does so; what any of them has reported is not reported again.
    """
    with storage.root.lock(layout.ARRIVAL_EVENTS_LOCK):
        found = scan_sources(storage, sources, ask=False)
        _sync_partitions(instance, found.versions)
        reported = instance.event_log_storage.get_latest_tags_by_partition(
            arrivals.key, dg.DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
        )
        versions = {key: tags.get(DATA_VERSION_TAG) for key, tags in reported.items()}
        fresh = [key for key, version in found.versions.items() if versions.get(key) != version]
        known = known_arrivals(storage) if fresh else {}
        until = time.monotonic() + SECONDS_OF_EVENTS
        for key in fresh:
            if time.monotonic() > until:
                break
            instance.report_runless_asset_event(_event(key, found.versions[key], known[key]))
    return found


@dg.sensor(
    target=dg.AssetSelection.assets(catalog.RAW_CORPUS.name),
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def new_batches(context: dg.SensorEvaluationContext, project: dg.ResourceParam[Project]) -> dg.SkipReason:
    """Looks for files, commits and increments that have arrived. Starts no run: what follows them does."""
    accept_again(project.storage, project.recipe)
    found = sync_arrivals(context.instance, project.storage, project.recipe.sources)
    return dg.SkipReason(inert_lines(". ".join([f"{len(found.versions)} batches are there", *found.notes])))


def _sync_partitions(instance: dg.DagsterInstance, offered: Mapping[str, str]) -> None:
    """Make the batch partitions exactly those that the sources offer now."""
    name = str(BATCHES.name)
    known = set(instance.get_dynamic_partitions(name))
    new = [key for key in offered if key not in known]
    for start in range(0, len(new), KEYS_AT_ONCE):
        instance.add_dynamic_partitions(name, new[start : start + KEYS_AT_ONCE])
    for key in known - offered.keys():
        instance.delete_dynamic_partition(name, key)


def _event(key: str, version: str, batch: Arrival) -> dg.AssetMaterialization:
    # A materialization: on observations of an asset that nothing makes, no automation condition fires.
    return dg.AssetMaterialization(
        arrivals.key,
        partition=key,
        metadata={"version": batch.versions, "first seen": dg.MetadataValue.timestamp(batch.first_seen)},
        tags={DATA_VERSION_TAG: version, GIVEN_VERSION_TAG: "true"},
    )
