"""Dagster's SQLite files in its home: made aside and put in place whole, checked at each start and mended."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import count
from pathlib import Path

import dagster as dg
import yaml

from fineline.resources.core.storage import layout
from fineline.resources.core.storage.disk import DiskRoot
from fineline.resources.core.storage.files import write_atomically

# The folders of the databases, with those that every home has. Each run has another one beside the index.
DATABASES: Mapping[str, tuple[str, ...]] = {"history": ("runs.db", "runs/index.db"), "schedules": ("schedules.db",)}
# In a folder that was made whole.
COMPLETE = "complete"
# The end of the name of a folder that was set aside: ``history.damaged`` the last, ``history-1.damaged`` the first.
SET_ASIDE = ".damaged"
# Settings by which a user has Dagster's databases elsewhere.
_ELSEWHERE = {"storage", "run_storage", "event_log_storage", "schedule_storage"}
_DAMAGED = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}
# A larger database is not read through at each start.
_READ_THROUGH = 2**28


def prepare_databases(local: DiskRoot) -> list[str]:
    """Create or replace the databases that are missing, unfinished or damaged; returns the names of the folders that
    were set aside, each as ``<name>.damaged``.

    Dagster creates a database in some sixty steps and never completes one that was interrupted in them, so that every
    later run would fail. Here a database is made in a folder of its own and takes its place by a rename.

    Raises NoRoom, or an error of SQLite, where the disk is full; nothing half-made is left then.
    """
    home = local.path(layout.DAGSTER_HOME)
    settings = home / "dagster.yaml"
    if settings.exists() and _ELSEWHERE & (yaml.safe_load(settings.read_bytes()) or {}).keys():
        return []
    with local.lock(layout.DAGSTER_LOCK):
        for name in local.names(layout.DAGSTER_HOME):
            if name.startswith("new-"):
                local.delete(f"{layout.DAGSTER_HOME}/{name}")
        missing = [folder for folder in DATABASES if not _is_whole(home / folder)]
        return _make(local, home, missing) if missing else []


def _make(local: DiskRoot, home: Path, folders: list[str]) -> list[str]:
    set_aside = []
    with local.workspace(layout.DAGSTER_HOME) as made:
        with dg.DagsterInstance.from_config(str(made)):
            pass
        for folder in folders:
            there = home / folder
            if _equals(there, made / folder):
                write_atomically(there / COMPLETE, b"")
                continue
            if _holds_rows(there):
                aside = home / f"{folder}{SET_ASIDE}"
                if aside.exists():
                    aside.rename(next(each for each in _numbered(aside) if not each.exists()))
                there.rename(aside)
                set_aside.append(folder)
            local.delete(f"{layout.DAGSTER_HOME}/{folder}")
            (made / folder / COMPLETE).touch()
            local.take({f"{layout.DAGSTER_HOME}/{folder}": made / folder})
    return set_aside


def _numbered(aside: Path) -> Iterator[Path]:
    """The places of what was set aside before, so that none takes another's."""
    return (aside.with_name(f"{aside.stem}-{number}{SET_ASIDE}") for number in count(1))


def _is_whole(folder: Path) -> bool:
    """Whether a folder was made whole, and no database in it is damaged or missing."""
    return (folder / COMPLETE).exists() and all(_schema(folder / name) for name in DATABASES[folder.name])


def _equals(there: Path, made: Path) -> bool:
    """Whether Dagster itself made a folder whole, or another version of Dagster did, which may migrate it."""
    for name in DATABASES[made.name]:
        found, wanted = _schema(there / name) or set(), _schema(made / name) or set()
        version = {each for each in found if each[0] == "version"}
        if not version or (version <= wanted and not wanted <= found):
            return False
    return True


def _schema(path: Path) -> set[tuple[str, str]] | None:
    """Kind and name of everything that a database is made of, with its version; None for a damaged one."""
    if not path.exists():
        return set()
    try:
        with closing(sqlite3.connect(path, timeout=60)) as database:
            if path.stat().st_size <= _READ_THROUGH and database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                return None
            found: set[tuple[str, str]] = {*database.execute("SELECT type, name FROM sqlite_master")}
            if ("table", "alembic_version") in found:
                found |= {*database.execute("SELECT 'version', version_num FROM alembic_version")}
            if ("table", "secondary_indexes") in found:
                found |= {*database.execute("SELECT 'migrated', name FROM secondary_indexes")}
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname not in _DAMAGED:
            raise
        return None
    return found


def _holds_rows(folder: Path) -> bool:
    """Whether something may be in the databases of a folder, beyond what their creation leaves."""
    for path in folder.rglob("*.db"):
        schema = _schema(path)
        if schema is None:
            return True
        with closing(sqlite3.connect(path, timeout=60)) as database:
            for table in ("runs", "event_logs", "jobs", "instigators"):
                if ("table", table) in schema and database.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone():
                    return True
    return False
