"""Dagster's databases, whose creation is killed at some of its steps; for a process of its own."""

import itertools
import os
import sys
from pathlib import Path

import dagster as dg
import sqlalchemy as sa

from fineline.resources.core.orchestrator.databases import prepare_databases
from fineline.resources.core.storage.disk import DiskRoot


def by_dagster(folder):
    with dg.DagsterInstance.from_config(str(folder / "dagster")):
        pass


def by_fineline(folder):
    prepare_databases(DiskRoot(folder))


def kill_at(step, create, folder):
    """Create databases in a process that ends, as by kill -9, before one of the statements. Whether it ended so."""
    (folder / "dagster").mkdir(parents=True)
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    steps = itertools.count(1)
    sa.event.listen(sa.Engine, "before_cursor_execute", lambda *_: os._exit(9) if next(steps) == step else None)
    create(folder)
    os._exit(0)


def use(folder):
    """Mend the databases and use them as a run does."""
    by_fineline(folder)
    with dg.DagsterInstance.from_config(str(folder / "dagster")) as instance:
        instance.add_dynamic_partitions("batches", ["a"])
        instance.report_runless_asset_event(dg.AssetMaterialization("rows", partition="a"))
        assert instance.get_dynamic_partitions("batches") == ["a"]
        assert len(instance.fetch_materializations(dg.AssetKey("rows"), limit=5).records) == 1
        assert instance.event_log_storage.has_secondary_index("asset_key_table")


if __name__ == "__main__":
    create = {"dagster": by_dagster, "fineline": by_fineline}[sys.argv[1]]
    for step in map(int, sys.argv[3:]):
        place = Path(sys.argv[2]) / str(step)
        assert kill_at(step, create, place), step
        use(place)
        assert {"history", "schedules"} <= {*os.listdir(place / "dagster")} <= {"history", "schedules", "storage"}, step
