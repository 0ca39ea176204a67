"""A Parquet file that grows part by part, so that a table is never in memory as a whole.

Its bytes depend on its rows and their order alone, never on the parts in which they came: rows are gathered into groups
of a fixed size before they are written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from fineline.resources.core.storage.files import file_digest, writing
from fineline.resources.core.storage.root import Root

# Rows that are read and written in one piece.
ROW_GROUP = 20_000


@dataclass(frozen=True)
class StoredFile:
    """A stored table: its name, made of its role and its content, the SHA-256 of its bytes, and its rows."""

    name: str
    digest: str
    rows: int


class GrowingFile:
    """A file on the local disk to which rows are appended; all have the columns of the first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: list[pl.DataFrame] = []
        self._waiting_rows = self._written_rows = 0
        self._writer: pq.ParquetWriter | None = None

    def append(self, rows: pl.DataFrame) -> None:
        """Add rows at the end."""
        self._waiting.append(rows)
        self._waiting_rows += rows.height
        if self._waiting_rows >= ROW_GROUP:
            self._write(self._waiting_rows - self._waiting_rows % ROW_GROUP)

    def finish(self, role: str) -> StoredFile:
        """Write the rows that wait and close the file; it is not yet stored under the name that is returned."""
        self._write(self._waiting_rows)
        self.close()
        digest = file_digest(self.path)
        return StoredFile(f"{role}-{digest[:16]}.parquet", digest, self._written_rows)

    def close(self) -> None:
        """Close the file as it is."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, count: int) -> None:
        # One chunk a column: the pages of a file follow the chunks that it is written from.
        rows = pl.concat(self._waiting, rechunk=True)
        with writing(self.path.parent.parent):
            if self._writer is None:
                self._writer = pq.ParquetWriter(self.path, rows.clear().to_arrow().schema, compression="zstd")
            for start in range(0, count, ROW_GROUP):
                self._writer.write_table(rows[start : min(start + ROW_GROUP, count)].to_arrow())
        self._written_rows += count
        # What is left stays in the list, if only for its columns.
        self._waiting, self._waiting_rows = [rows[count:]], rows.height - count


def row_groups(root: Root, key: str, columns: list[str] | None = None) -> Iterator[pl.DataFrame]:
    """The rows of a Parquet file group by group, each of which fits into memory; of an empty file, once no rows."""
    with root.open(key) as file:
        metadata = pq.ParquetFile(file).metadata
        sizes = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    rows = root.scan([key]) if columns is None else root.scan([key]).select(columns)
    start = 0
    for size in sizes or [0]:
        yield rows.slice(start, size).collect()
        start += size
