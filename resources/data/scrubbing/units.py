"""Scrubbing in units of work that an engine runs: rows of a stored batch, or canaries of one entity type."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import polars as pl

from fineline.data_contracts import catalog
from fineline.resources.core.compute.engine import Engine
from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.checking import QUARANTINE_SCHEMA
from fineline.resources.core.storage.integrity import require_whole
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.tables import StoredPart, TableOutput, store_part
from fineline.resources.data.pii.limits import SEGMENT_SECONDS
from fineline.resources.data.scrubbing.canaries import CanaryReport, Outcome, count, planted_types, scrub_canaries
from fineline.resources.data.scrubbing.scrubber import Scrubber

# Records of the first batch into whose text canaries are put.
HOSTS = 500
# A batch is cut into about so many units, so that a small one keeps several processes busy. In a unit, a sentence that
# many records share is analysed once also without a cache.
_UNITS_OF_A_BATCH = 8
_LEAST_RECORDS, _MOST_RECORDS = 100, 1_000
TIMED_OUT = "analysis_timed_out"
# Of one processor, with the faster model.
_SECONDS_A_RECORD = 0.02

R = TypeVar("R")


@dataclass(frozen=True)
class Scrubbing:
    """Builds a worker in each process that scrubs: one that reads from a storage root, and stages parts in it."""

    storage: Storage
    section: Scrub
    key: PseudonymKey

    def __call__(self) -> ScrubWorker:
        """The worker of this process."""
        return ScrubWorker(self)


class ScrubWorker(Scrubber):
    """The scrubber of one process, which does units."""

    def __init__(self, scrubbing: Scrubbing) -> None:
        self.storage, self.section = scrubbing.storage, scrubbing.section
        super().__init__(self.section, key=scrubbing.key, cache=self.storage.local.path(layout.FINDINGS_CACHE))

    def __call__(self, unit: Callable[[ScrubWorker], R]) -> R:
        """Do a unit."""
        return unit(self)


@dataclass(frozen=True)
class ScrubbedRows:
    """The stored part of one unit, and what was replaced in it: see Scrubbed."""

    batch: str
    part: StoredPart
    entities: pl.DataFrame


@dataclass(frozen=True)
class Records:
    """Some rows of a stored batch of raw records, by the key of the file that counted when the step began."""

    batch: str
    file: str
    first: int
    rows: int

    def __call__(self, worker: ScrubWorker) -> ScrubbedRows:
        """Scrub the rows and store them as a part of the scrubbed batch."""
        raw = worker.storage.root.scan([self.file]).slice(self.first, self.rows).collect()
        scrubbed = worker.scrub(raw)
        facts = {"replaced spans": int(scrubbed.entities["spans"].sum())}
        output = TableOutput(scrubbed.records, raw.height, quarantine=_timed_out(scrubbed.timed_out), facts=facts)
        part = store_part(worker.storage, catalog.SCRUBBED_CORPUS.name, self.batch, output)
        return ScrubbedRows(self.batch, part, scrubbed.entities)


@dataclass(frozen=True)
class Canaries:
    """The canaries of an entity type, put into the text of the first records of a stored file."""

    entity: str
    hosts: str

    def __call__(self, worker: ScrubWorker) -> list[Outcome]:
        """Plant and scrub them."""
        hosts = worker.storage.root.scan([self.hosts]).select("completion").head(HOSTS).collect()
        return scrub_canaries(worker, worker.section, self.entity, hosts)


def _timed_out(raw: pl.DataFrame) -> pl.DataFrame:
    """Rows of the quarantine, without any text: that stays with the raw record alone."""
    return raw.select(
        "record_id",
        "source",
        "batch",
        rule=pl.lit(TIMED_OUT),
        detail=pl.lit(f"a part of its text took more than {SEGMENT_SECONDS:.0f} seconds of processor time to analyse"),
        record=pl.struct("record_id", "source", "batch", "kind", "licence").struct.json_encode(),
    ).cast(QUARANTINE_SCHEMA)


def seconds(scrubbing: Scrubbing, batches: Sequence[Manifest]) -> float:
    """About how long one processor takes to scrub stored batches, and the canaries that are measured with them."""
    canaries = len(scrubbing.section.entities) * scrubbing.section.canaries_per_entity
    return _SECONDS_A_RECORD * (canaries + sum(manifest.rows or 0 for manifest in batches))


def measure(engine: Engine, scrubbing: Scrubbing, hosts: Manifest) -> CanaryReport:
    """Have the engine's workers plant canaries in the first records of a stored batch and scrub them, and count.

    Raises:
        ScrubError: an entity type has no canaries.
        Damaged: the batch's file does not hold what was written.
    """
    require_whole(scrubbing.storage, hosts, "data")
    file = scrubbing.storage.key(hosts, "data")
    units = [Canaries(entity, file) for entity in planted_types(scrubbing.section)]
    return count(itertools.chain.from_iterable(engine.each(scrubbing, units)))


def scrub_batches(
    engine: Engine, scrubbing: Scrubbing, batches: Sequence[Manifest], report: Callable[[int, int | None], None]
) -> Iterator[tuple[str, Iterator[ScrubbedRows]]]:
    """Scrub stored batches of raw records; gives each batch with its stored parts, in order.

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
