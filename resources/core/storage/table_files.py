"""Writes the Parquet files of one table, one a role and batch, under names made of their content."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl

from fineline.resources.core.storage.files import joint_digest
from fineline.resources.core.storage.manifest import Place
from fineline.resources.core.storage.parquet import GrowingFile, StoredFile, row_groups
from fineline.resources.core.storage.root import Root

# The roles of which the data version of a table is the hash.
VERSIONED = ("data", "drops")


class TableFiles:
    """The files of a table, to which rows are added until :meth:`finish` stores them all.

    With ``by_batch``, tables that have a column ``batch`` are cut into one file a batch; rows without one go under the
    empty batch. Every other role has one file, whose batch is None. Left by an exception, it stores nothing.
    """

    def __init__(self, root: Root, folder: str, *, by_batch: bool = False) -> None:
        self._root, self._folder, self._by_batch = root, folder, by_batch
        self._workspace = root.workspace(folder)
        self._growing: dict[Place, GrowingFile] = {}
        # A stored file that holds all rows of its place so far: it is kept as it is where no others join them.
        self._taken: dict[Place, StoredFile] = {}
        self._complete: dict[Place, StoredFile] = {}
        self._made: dict[str, Path] = {}
        self._columns: dict[str, pl.DataFrame] = {}

    def __enter__(self) -> TableFiles:
        self._path = self._workspace.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        for file in self._growing.values():
            with suppress(OSError):  # The disk is full, which was raised when rows were written.
                file.close()
        self._workspace.__exit__(*error)

    def add(self, tables: Mapping[str, pl.DataFrame]) -> None:
        """Add a part: rows of each role, which go to the end of their files.

        Raises:
            ValueError: rows of a batch come again after those of another.
        """
        cut = {role: self._cut(role, rows) for role, rows in tables.items()}
        self._complete_others({batch for rows in cut.values() for batch in rows if batch is not None})
        for role, rows_by_batch in cut.items():
            for batch, rows in rows_by_batch.items():
                self.append(role, rows, batch)

    def add_stored(self, files: Mapping[str, StoredFile], batch: str | None) -> None:
        """Add a part that is stored already; ``batch`` is that of all its rows, None where they may be of several.

        Raises:
            ValueError: see :meth:`add`.
        """
        self._complete_others({batch} - {None})
        for role, stored in files.items():
            key = f"{self._folder}/{stored.name}"
            cut = self._by_batch and "batch" in self._root.scan([key]).collect_schema()
            place = (role, batch if cut else None)
            if cut and (batch is None or not stored.rows):
                for rows in row_groups(self._root, key):
                    self.add({role: rows})
            elif place in self._growing or place in self._taken or place in self._complete:
                for rows in row_groups(self._root, key):
                    self.append(role, rows, place[1])
            else:
                self._taken[place] = stored

    def append(self, role: str, rows: pl.DataFrame, batch: str | None = None) -> None:
        """Add rows to the end of one file. Raises ValueError where it is complete."""
        place = (role, batch)
        if place in self._complete:
            raise ValueError(f"the parts of batch {batch} do not follow one another")
        file = self._growing.setdefault(place, GrowingFile(self._path / uuid4().hex))
        if (taken := self._taken.pop(place, None)) is not None:
            for before in row_groups(self._root, f"{self._folder}/{taken.name}"):
                file.append(before)
        file.append(rows)

    def finish(self) -> Mapping[Place, StoredFile]:
        """Store the files; returns them, sorted. Those that are there as they should be are not touched."""
        roles = {role for role, _ in (*self._open(), *self._complete)}
        for role, columns in self._columns.items():
            if role not in roles:
                self.append(role, columns)
        for place in self._open():
            self._finish(place)
        self._root.take(self._made)
        return {place: self._complete[place] for place in _in_order(self._complete)}

    def _cut(self, role: str, rows: pl.DataFrame) -> Mapping[str | None, pl.DataFrame]:
        if not self._by_batch or "batch" not in rows.columns:
            return {None: rows}
        # A role without any row has one empty file, which keeps its columns.
        self._columns[role] = rows.clear()
        batches = rows.partition_by("batch", maintain_order=True, as_dict=True)
        return {str(batch or ""): part for (batch,), part in batches.items()}

    def _complete_others(self, batches: Collection[str | None]) -> None:
        """Complete the files of all batches but these, so that their rows leave the memory; without any, none."""
        for place in self._open() if batches else ():
            if place[1] is not None and place[1] not in batches:
                self._finish(place)

    def _finish(self, place: Place) -> None:
        if place in self._taken:
            self._complete[place] = self._taken.pop(place)
            return
        file = self._growing.pop(place)
        stored = self._complete[place] = file.finish(place[0])
        key = f"{self._folder}/{stored.name}"
        if not self._root.exists(key) or self._root.digest(key) != stored.digest:
            self._made[key] = file.path
        else:
            file.path.unlink()

    def _open(self) -> list[Place]:
        return [*self._growing, *self._taken]


def data_version(digests: Mapping[Place, str]) -> str:
    """The data version of a table: the hash of the hashes of its rows and drops, by role and batch."""
    return joint_digest(*(digests[place] for place in _in_order(digests) if place[0] in VERSIONED))[:16]


def _in_order(places: Collection[Place]) -> list[Place]:
    return sorted(places, key=lambda place: (place[0], place[1] or ""))
