"""New batches of the recipe's sources become partitions."""

from collections.abc import Sequence

import dagster as dg

from fineline.assets.standards import BATCHES
from fineline.resources.arrivals import fingerprints
from fineline.resources.project import Project


def sync_batches(instance: dg.DagsterInstance, arrived: Sequence[str]) -> None:
    """Make the batch partitions exactly those that the sources offer now."""
    name = str(BATCHES.name)
    known = instance.get_dynamic_partitions(name)
    instance.add_dynamic_partitions(name, [key for key in arrived if key not in known])
    for key in known:
        if key not in arrived:
            instance.delete_dynamic_partition(name, key)


@dg.sensor(
    target=dg.AssetSelection.assets("raw_corpus"),
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def new_batches(context: dg.SensorEvaluationContext, project: Project) -> dg.SkipReason:
    """Lists the batches of each source, so that new ones can be materialized. Starts no run by itself."""
    arrived = list(fingerprints(project.recipe.sources))
    sync_batches(context.instance, arrived)
    return dg.SkipReason(f"{len(arrived)} batches are there; materialize those that are missing")
