"""Erasure in Dagster's own storage: event metadata, messages and logs; and events for the rewritten tables."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import sqlalchemy as sa

from fineline.resources.core.orchestrator.databases import SET_ASIDE
from fineline.resources.core.orchestrator.storage_internals import (
    SqlEventLogStorage,
    SqlRunStorage,
    SqlScheduleStorage,
    free_text,
)
from fineline.resources.core.orchestrator.versions import DATA_VERSION_TAG, row_count, version_tags
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.disk import DiskRoot
from fineline.resources.core.storage.files import remove, write_atomically
from fineline.resources.core.storage.inventory import Inventory
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.forgetting.reading import file_contains
from fineline.resources.governance.forgetting.texts import blanked, contains_any
from fineline.resources.models.exposure import ExposedModel

_ROWS = 1_000
_WAITS = 20
_LOGS = (".out", ".err", ".log")


@dataclass(frozen=True)
class DagsterHistory:
    """What Dagster keeps about the assets of a storage root."""

    instance: dg.DagsterInstance
    storage: Storage

    def cleanse(self, needles: Sequence[str]) -> list[str]:
        """Remove everything that contains one of the needles from Dagster's storage and logs.

        A table in an asset's metadata loses the lines that contain one; the rest stays. The names of assets, batches,
        steps and kinds of events stay, or Dagster could no longer read its history: returns the columns, as
        ``table.column``, in which such names contain a needle. The files of SQLite, and the changed tables of
        PostgreSQL, are rewritten, so that nothing stays in free pages.
        """
        if not needles:
            return []
        homes = {self.storage.local.path(layout.DAGSTER_HOME), Path(self.instance.root_directory)}
        for damaged in [path for home in homes for path in home.glob(f"*{SET_ASIDE}")]:
            remove(damaged)  # It cannot be read, and nothing needs it.
        databases = {path for home in homes for path in home.rglob("*.db")}
        kept = [_cleanse_sqlite(path, needles) for path in sorted(databases)]
        kept += [_cleanse_server(connection, needles) for connection in _served(self.instance)]
        for path in sorted({path for home in homes for suffix in _LOGS for path in home.rglob(f"*{suffix}")}):
            _cleanse_log(path, needles)
        return sorted(set().union(*kept))

    def report_changes(self, request_id: str) -> None:
        """Report each asset whose data version differs from the last one in Dagster's history."""
        inventory = Inventory(self.storage)
        for manifest in (each for asset in inventory.in_order() for each in inventory.manifests(asset)):
            last = self._last(manifest)
            if last is not None and (last.tags or {}).get(DATA_VERSION_TAG) != manifest.data_version:
                self.instance.report_runless_asset_event(self._materialization(manifest, last, request_id))

    def report_flags(self, sightings: Sequence[ExposedModel], request_id: str) -> None:
        """Report for each stored model that it saw forgotten records."""
        for each in sightings:
            if each.data_version is not None:
                flag = f"saw {each.records:,} records that request {request_id} has forgotten; train it again"
                self.instance.report_runless_asset_event(dg.AssetObservation(each.asset, metadata={"flag": flag}))

    def _materialization(
        self, manifest: Manifest, last: dg.AssetMaterialization, request_id: str
    ) -> dg.AssetMaterialization:
        """An event for the stored table, with the metadata of its last event that still hold, such as a sample."""
        return dg.AssetMaterialization(
            manifest.asset,
            partition=manifest.batch,
            metadata={
                **last.metadata,
                **row_count(manifest),
                "rows in": manifest.rows_in or 0,
                "dropped": manifest.dropped,
                "quarantined": manifest.quarantined,
                "path": dg.MetadataValue.path(self.storage.location(manifest, "data")),
                "rewritten": f"without what request {request_id} has forgotten",
            },
            tags=version_tags(manifest),
        )

    def _last(self, manifest: Manifest) -> dg.AssetMaterialization | None:
        key = dg.AssetKey(manifest.asset)
        wanted = dg.AssetRecordsFilter(key, asset_partitions=[manifest.batch]) if manifest.batch else key
        records = self.instance.fetch_materializations(wanted, limit=1).records
        return records[0].asset_materialization if records else None


def _cleanse_sqlite(path: Path, needles: Sequence[str]) -> set[str]:
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 60}, poolclass=sa.NullPool)
    with engine.connect() as connection:
        changed, kept = _cleanse_tables(connection, needles)
        connection.commit()
    files = [path, path.with_name(f"{path.name}-wal")]
    if changed or any(_file_contains(file, needles) for file in files):
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM")
            # A reader such as the web server may hold the old pages for a moment.
            for _ in range(_WAITS):
                busy, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
                if not busy:
                    break
                time.sleep(0.5)
    return kept


def _cleanse_server(connection: sa.Connection, needles: Sequence[str]) -> set[str]:
    changed, kept = _cleanse_tables(connection, needles)
    connection.commit()
    if changed and connection.dialect.name == "postgresql":
        with connection.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as alone:
            for table in sorted(changed):
                alone.exec_driver_sql(f'VACUUM FULL "{table}"')
    return kept


def _cleanse_tables(connection: sa.Connection, needles: Sequence[str]) -> tuple[set[str], set[str]]:
    """Blank the free text that contains a needle; returns the changed tables, and the columns that still do."""
    schema = sa.MetaData()
    schema.reflect(connection)
    changed, kept = set[str](), set[str]()
    for table in schema.sorted_tables:
        keys, free = list(table.primary_key.columns), free_text(table)
        for column in table.columns if keys else ():
            if not isinstance(column.type, sa.String):
                continue
            for row in list(_containing(connection, keys, column, needles)):
                text = _blanked(row[-1], needles) if column.name in free else row[-1]
                if text != row[-1]:
                    this = sa.and_(*(key == value for key, value in zip(keys, row[:-1], strict=True)))
                    connection.execute(sa.update(table).where(this).values({column: text}))
                    changed.add(table.name)
                if contains_any(pl.Series([text]), needles).any():
                    kept.add(f"{table.name}.{column.name}")
    return changed, kept


def _containing(
    connection: sa.Connection, keys: Sequence[sa.Column[Any]], column: sa.Column[Any], needles: Sequence[str]
) -> Iterator[Sequence[Any]]:
    rows = connection.execute(sa.select(*keys, column).where(column.is_not(None)))
    for some in rows.partitions(_ROWS):
        found = contains_any(pl.Series([str(row[-1]) for row in some], dtype=pl.String), needles)
        yield from (row for row, hit in zip(some, found, strict=True) if hit)


def _blanked(stored: str, needles: Sequence[str]) -> str:
    """A stored text without the needles; JSON stays JSON."""
    try:
        value = json.loads(stored)
    except json.JSONDecodeError:
        value = stored
    if isinstance(value, str):
        return str(blanked(stored, needles))
    return json.dumps(blanked(value, needles))


def _cleanse_log(path: Path, needles: Sequence[str]) -> None:
    if _file_contains(path, needles):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        found = contains_any(pl.Series(lines, dtype=pl.String), needles)
        write_atomically(path, "".join(line for line, gone in zip(lines, found, strict=True) if not gone).encode())


def _served(instance: dg.DagsterInstance) -> Iterator[sa.Connection]:
    """Connections to the parts of Dagster's storage that are not SQLite files."""
    events, runs, schedules = instance.event_log_storage, instance.run_storage, instance.schedule_storage
    opened = []
    if isinstance(events, SqlEventLogStorage):
        opened.append(events.index_connection)
    if isinstance(runs, SqlRunStorage):
        opened.append(runs.connect)
    if isinstance(schedules, SqlScheduleStorage):
        opened.append(schedules.connect)
    for connect in opened:
        with connect() as connection:
            if connection.dialect.name != "sqlite" or not Path(str(connection.engine.url.database)).is_file():
                yield connection


def _file_contains(path: Path, needles: Sequence[str]) -> bool:
    return file_contains(DiskRoot(path.parent), path.name, needles)
