"""Scrubbing in units of work that an engine runs: rows of a stored batch, or canaries."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TypeVar

import polars as pl

from fineline.data_contracts import catalog
from fineline.resources.core.compute.engine import Engine
from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.integrity import require_whole
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.tables import StagedPart, TableOutput, stage_part
from fineline.resources.data.scrubbing.canaries import CanaryReport, Planted, count, plant, plant_in_records, replaced
from fineline.resources.data.scrubbing.scrubber import Scrubber

# Records of the first batch into whose text canaries are put.
HOSTS = 500
# A batch is cut into about so many units, so that a small one keeps several processes busy. In a unit, a sentence that
# many records share is analysed once also without a cache.
_UNITS_OF_A_BATCH = 8
_LEAST_RECORDS, _MOST_RECORDS = 100, 1_000
_CANARIES = 128
# Of one processor, with the faster model.
_SECONDS_A_RECORD = 0.02

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Unit(Protocol[R_co]):
    """A piece of scrubbing, described by names and numbers."""

    def run(self, worker: ScrubWorker) -> R_co:
        """Do it, with a worker's models."""


@dataclass(frozen=True)
class Scrubbing:
    """Builds a worker in each process that scrubs: one that reads from a storage root, and stages parts in it."""

    storage: Storage
    section: Scrub
    key: PseudonymKey

    def __call__(self) -> ScrubWorker:
        """The worker of this process."""
        return ScrubWorker(self)


class ScrubWorker:
    """The models of one process, which are loaded with its first unit."""

    def __init__(self, scrubbing: Scrubbing) -> None:
        self.storage, self._section = scrubbing.storage, scrubbing.section
        self.scrubber = Scrubber(
            scrubbing.section, key=scrubbing.key, cache=scrubbing.storage.local.path(layout.FINDINGS_CACHE)
        )
        self._planted: dict[str | None, Planted] = {}

    def __call__(self, unit: Unit[R]) -> R:
        """Do a unit."""
        return unit.run(self)

    def planted(self, hosts: str | None) -> Planted:
        """The canaries in the records of a stored file."""
        if hosts not in self._planted:
            records = None if hosts is None else self.storage.root.scan([hosts]).head(HOSTS).collect()
            self._planted[hosts] = plant_in_records(self._section, records)
        return self._planted[hosts]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.scrubber.close()


@dataclass(frozen=True)
class ScrubbedRows:
    """The staged part of one unit, and what was replaced in it: see Scrubbed."""

    batch: str
    part: StagedPart
    entities: pl.DataFrame


@dataclass(frozen=True)
class Records:
    """Some rows of a stored batch of raw records, by the key of the file that counted when the step began."""

    batch: str
    file: str
    first: int
    rows: int

    def run(self, worker: ScrubWorker) -> ScrubbedRows:
        """Scrub the rows and stage them as a part of the scrubbed batch."""
        raw = worker.storage.root.scan([self.file]).slice(self.first, self.rows).collect()
        scrubbed = worker.scrubber.scrub(raw)
        facts = {"replaced spans": int(scrubbed.entities["spans"].sum())}
        output = TableOutput(scrubbed.records, rows_in=raw.height, facts=facts)
        part = stage_part(worker.storage, catalog.SCRUBBED_CORPUS.name, self.batch, output)
        return ScrubbedRows(self.batch, part, scrubbed.entities)


@dataclass(frozen=True)
class Canaries:
    """Some of the canaries, planted in the records of a stored file."""

    hosts: str | None
    first: int
    number: int

    def run(self, worker: ScrubWorker) -> list[bool]:
        """Scrub the records that hold them; returns whether each was replaced."""
        return replaced(worker.scrubber, worker.planted(self.hosts), self.first, self.number)


def seconds(scrubbing: Scrubbing, batches: Sequence[Manifest]) -> float:
    """About how long one processor takes to scrub stored batches, and the canaries that are measured with them."""
    canaries = len(scrubbing.section.entities) * scrubbing.section.canaries_per_entity
    return _SECONDS_A_RECORD * (canaries + sum(manifest.rows or 0 for manifest in batches))


def measure(engine: Engine, scrubbing: Scrubbing, hosts: Manifest) -> CanaryReport:
    """Plant canaries in the first records of a stored batch, have the engine's workers scrub them, and count.

    Raises:
        ScrubError: an entity type has no canaries.
        Damaged: the batch's file does not hold what was written.
    """
    require_whole(scrubbing.storage, hosts, "data")
    section, file = scrubbing.section, scrubbing.storage.key(hosts, "data")
    canaries = plant(section.entities, section.canaries_per_entity)
    units = (Canaries(file, first, _CANARIES) for first in range(0, len(canaries), _CANARIES))
    return count(canaries, [*itertools.chain.from_iterable(engine.each(scrubbing, units))])


def scrub_batches(
    engine: Engine, scrubbing: Scrubbing, batches: Sequence[Manifest], report: Callable[[int, int | None], None]
) -> Iterator[tuple[str, Iterator[ScrubbedRows]]]:
    """Scrub stored batches of raw records; gives each batch with its staged parts, in order.

    The parts of a batch must be taken before the next batch. ``report`` gets the records done and in all.

    Raises:
        Damaged: the file of a batch does not hold what was written.
    """
    units = (unit for manifest in batches for unit in _units(scrubbing.storage, manifest))
    total = sum(manifest.rows or 0 for manifest in batches)

    def results() -> Iterator[ScrubbedRows]:
        done = 0
        for rows in engine.each(scrubbing, units):
            done += rows.part.counts.rows_in
            report(done, total)
            yield rows

    return itertools.groupby(results(), key=lambda rows: rows.batch)


def _units(storage: Storage, raw: Manifest) -> Iterator[Records]:
    require_whole(storage, raw, "data")
    rows, file = raw.rows or 0, storage.key(raw, "data")
    size = min(max(rows // _UNITS_OF_A_BATCH, _LEAST_RECORDS), _MOST_RECORDS)
    for first in range(0, max(rows, 1), size):
        yield Records(str(raw.batch), file, first, size)
