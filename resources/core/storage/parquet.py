"""Parquet files that grow part by part, so that a table is never in memory as a whole."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import polars as pl
import pyarrow.parquet as pq

from fineline.resources.core.storage.files import file_digest, sync_folder, writing

ROW_GROUP = 100_000


class ParquetParts:
    """The files of a table by role, in a folder, under temporary names until ``finish``.

    The same parts give the same bytes. Left by an exception, the files are removed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._paths: dict[str, Path] = {}

    def __enter__(self) -> ParquetParts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            with suppress(OSError):  # of a full disk; it was told when a part was written
                writer.close()
        for path in self._paths.values():
            path.unlink(missing_ok=True)

    def append(self, role: str, part: pl.DataFrame) -> None:
        """Add rows at the end of a role's file; a role's parts have one schema."""
        with writing(self._folder):
            if role not in self._writers:
                self._paths[role] = self._folder / f".{role}.{uuid.uuid4().hex}"
                schema = part.clear().to_arrow().schema
                self._writers[role] = pq.ParquetWriter(self._paths[role], schema, compression="zstd")
            for rows in part.iter_slices(ROW_GROUP):
                self._writers[role].write_table(rows.to_arrow())

    def finish(self) -> Mapping[str, tuple[str, str]]:
        """Put the files in place under names of their content: name and SHA-256 by role."""
        finished = {}
        with writing(self._folder):
            for role, path in self._paths.items():
                self._writers[role].close()
                with path.open("rb") as file:
                    os.fsync(file.fileno())
                digest = file_digest(path)
                name = f"{role}-{digest[:16]}.parquet"
                os.replace(path, self._folder / name)
                finished[role] = (name, digest)
            sync_folder(self._folder)
        return finished


def joint_digest(*digests: str) -> str:
    """One digest of several."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()
