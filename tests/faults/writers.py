"""Writers of a table that is of one version throughout, for processes of their own."""

import os
import resource
import subprocess
import time

import polars as pl

from fineline.data_contracts.accounting import Drop
from fineline.resources.core.storage.files import NoRoom
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.tables import Origin, TableOutput, write_table

SCHEMA = Drop.create_empty().schema
ROWS = 3_000


def table(version):
    """A table that takes some 200 kB, all of whose rows are of one version."""
    details = [os.urandom(32).hex() for _ in range(ROWS)]
    columns = {"source": "docs", "batch": "docs/1", "asset": "x", "fate": "dropped", "rule": f"version {version}"}
    return (
        pl.DataFrame({"record_id": [str(n) for n in range(ROWS)], "detail": details})
        .with_columns(**{name: pl.lit(value) for name, value in columns.items()})
        .select(list(SCHEMA))
        .cast(SCHEMA)
    )


def write(storage, version):
    origin = Origin("1", {"version": str(version)}, "run")
    with storage.root.lock("splits"):
        write_table(storage, "splits", None, TableOutput(table(version), ROWS), Drop, origin, maximum_quarantine=0)


def write_with_a_limit(root, said):
    storage = Storage(root)
    write(storage, 1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
    try:
        write(storage, 2)
    except NoRoom as error:
        said.put(str(error))


def keep_writing(root, begun, seconds):
    storage, version = Storage(root), 0
    begun.set()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        version += 1
        write(storage, version)


def write_until_killed(root, begun):
    storage, version = Storage(root), 0
    while True:
        version += 1
        write(storage, version)
        begun.set()


def hold_until_killed(root, held):
    """Hold a lock, with a program running that this process has started."""
    with Storage(root).root.lock("splits"), subprocess.Popen(["sleep", "600"]) as program:
        held.put(program.pid)
        program.wait()
