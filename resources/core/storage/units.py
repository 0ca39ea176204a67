"""Units of rows, snapshots of upstream tables and scratch tables, for steps that run in units."""

from __future__ import annotations

import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, TypeVar
from uuid import uuid4

import polars as pl

from fineline.data_contracts import catalog
from fineline.resources.core.compute.engine import Engine, worthwhile
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.integrity import require_whole
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.tables import StoredPart, TableOutput, store_part

R = TypeVar("R")


@dataclass(frozen=True)
class Rows:
    """A unit of work: so many rows of one batch, from the row ``first`` on."""

    batch: str
    first: int
    number: int


@dataclass(frozen=True)
class Snapshot:
    """Tables in the versions that counted when a step began, whole, for whoever reads within ``Storage.reading``.

    Made to be sent to the processes that work on units. ``tables`` are the manifests of each asset by batch; a table of
    all batches has one, under None.
    """

    storage: Storage
    tables: Mapping[str, Mapping[str | None, Manifest]]

    @classmethod
    def take(cls, storage: Storage, assets: Iterable[str], batches: Sequence[str]) -> Snapshot:
        """The versions of now of some assets, of per-batch ones for these batches.

        Raises:
            NotMaterialized, Blocked: see :meth:`Storage.require`.
            Damaged: a file does not hold what was written.
        """
        tables: dict[str, dict[str | None, Manifest]] = {}
        for asset in assets:
            wanted = batches if catalog.entry(asset).per_batch else [None]
            tables[asset] = {batch: storage.require(asset, batch) for batch in wanted}
            for manifest in tables[asset].values():
                require_whole(storage, manifest, "data", batches if manifest.batch is None else None)
        return cls(storage, tables)

    def scan(self, asset: str, batch: str) -> pl.LazyFrame:
        """The rows of one batch, lazily."""
        manifests = self.tables[asset]
        if None in manifests:
            return self.storage.scan(manifests[None], "data", [batch])
        return self.storage.scan(manifests[batch])

    def read(self, asset: str, unit: Rows) -> pl.DataFrame:
        """The rows of a unit."""
        return self.scan(asset, unit.batch).slice(unit.first, unit.number).collect()

    def units(self, asset: str, batches: Iterable[str], size: int) -> list[Rows]:
        """The rows of these batches, cut into units of at most ``size`` rows; an empty batch is one unit."""
        units = []
        for batch in batches:
            total = self.scan(asset, batch).select(pl.len()).collect().item()
            units += [Rows(batch, first, min(size, total - first)) for first in range(0, max(total, 1), size)]
        return units


@dataclass(frozen=True)
class TableWork(ABC):
    """A step that computes a table from rows of scrubbed batches; builds the worker that stores the part of a unit.

    A subclass names its asset, the rows of a unit and the seconds that a processor needs for a row.
    """

    snapshot: Snapshot
    asset: ClassVar[str]
    unit_rows: ClassVar[int]
    seconds_a_row: ClassVar[float]

    def __call__(self) -> Callable[[Rows], StoredPart]:
        """The worker of a process."""
        return lambda unit: store_part(self.snapshot.storage, self.asset, unit.batch, self.output(unit))

    def parts(self, engine: Engine, batches: Sequence[str], report: Callable[[int, int], None]) -> Iterator[StoredPart]:
        """The parts of the table, batch by batch; ``report`` gets (rows done, rows)."""
        units = self.snapshot.units(catalog.SCRUBBED_CORPUS.name, batches, self.unit_rows)
        return run_units(engine, self, units, report, seconds_a_row=self.seconds_a_row)

    @abstractmethod
    def output(self, unit: Rows) -> TableOutput:
        """What a unit gives for the table."""


@dataclass(frozen=True)
class Scratch:
    """Tables that a step and its units leave for each other in the root, under names of their content."""

    storage: Storage
    folder: str

    @classmethod
    @contextmanager
    def of(cls, storage: Storage, asset: str) -> Iterator[Scratch]:
        """The scratch of an asset that is being made, below its folder; what it holds is removed in the end."""
        scratch = cls(storage, f"{layout.scratch(asset)}/{uuid4().hex}")
        try:
            yield scratch
        finally:
            storage.root.delete(scratch.folder)

    def put(self, rows: pl.DataFrame) -> str:
        """Leave a table; returns its key."""
        content = io.BytesIO()
        rows.write_parquet(content)
        key = f"{self.folder}/{hashlib.sha256(content.getbuffer()).hexdigest()}.parquet"
        self.storage.root.put(key, content.getvalue())
        return key

    def read(self, *keys: str) -> pl.DataFrame:
        """Tables of equal columns, one after the other."""
        return self.storage.root.scan(keys).collect()


def run_units(
    engine: Engine,
    factory: Callable[[], Callable[[Rows], R]],
    units: Sequence[Rows],
    report: Callable[[int, int], None],
    *,
    seconds_a_row: float,
) -> Iterator[R]:
    """The results of units of rows, in their order; ``report`` gets (rows done, rows).

    They run on the engine, or in this process where that is sooner, as a row takes a processor ``seconds_a_row``.
    """
    total, done = sum(unit.number for unit in units), 0
    results = worthwhile(engine, total * seconds_a_row).each(factory, units)
    for unit, result in zip(units, results, strict=True):
        done += unit.number
        report(done, total)
        yield result
