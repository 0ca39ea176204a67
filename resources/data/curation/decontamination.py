"""Contaminated records of stored tables, found in units of work: repeats of evaluation sets and held-out prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from fineline.data_contracts import catalog
from fineline.resources.core.compute.engine import Engine
from fineline.resources.core.recipe.curation import Decontaminate
from fineline.resources.core.storage.units import Rows, Scratch, Snapshot, run_units
from fineline.resources.data.curation.contamination import (
    ANSWERS,
    SHARED,
    contaminated,
    distinct_ngrams,
    evaluation_ngrams,
    shared_ngrams,
)

# Records of a unit of work, and the seconds that one takes a processor.
UNIT_RECORDS = 5_000
SECONDS_A_RECORD = 1e-4

# Leaves a table in the scratch, and gives its key.
Worker = Callable[[Rows], str]
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Chosen:
    """Some records of a stored table: those that the table ``names`` in ``scratch`` has the record_id and batch of."""

    snapshot: Snapshot
    asset: str
    scratch: Scratch
    names: str

    def work(self, engine: Engine, factory: Callable[[], Worker], report: Report) -> Iterator[pl.DataFrame]:
        """The tables that a worker leaves of the batches in which a record was chosen."""
        batches = sorted(self.scratch.read(self.names)["batch"].unique())
        units = self.snapshot.units(self.asset, batches, UNIT_RECORDS)
        return map(self.scratch.read, run_units(engine, factory, units, report, seconds_a_row=SECONDS_A_RECORD))

    def reader(self) -> Callable[[Rows], pl.DataFrame]:
        """A function that reads the chosen records of a unit."""
        names = self.scratch.read(self.names).partition_by("batch", as_dict=True)
        return lambda unit: self.snapshot.read(self.asset, unit).join(
            names[(unit.batch,)], on="record_id", how="semi", maintain_order="left"
        )


@dataclass(frozen=True)
class Hashing:
    """Builds the worker that leaves the distinct n-grams of the prompts of chosen records."""

    chosen: Chosen
    ngram: int

    def __call__(self) -> Worker:
        """The worker of a process."""
        read = self.chosen.reader()

        def work(unit: Rows) -> str:
            records = read(unit)
            prompts = records.with_columns(pl.lit([], records.schema[column]).alias(column) for column in ANSWERS)
            return self.chosen.scratch.put(distinct_ngrams(prompts, self.ngram).to_frame())

        return work


@dataclass(frozen=True)
class Comparing:
    """Builds the worker that leaves the n-grams that chosen records share with evaluation sets.

    ``sets`` gives the key of each set's distinct n-grams in the scratch.
    """

    chosen: Chosen
    sets: Mapping[str, str]
    ngram: int

    def __call__(self) -> Worker:
        """The worker of a process."""
        read = self.chosen.reader()
        sets = {name: self.chosen.scratch.read(key)["ngram"].sort() for name, key in self.sets.items()}
        return lambda unit: self.chosen.scratch.put(shared_ngrams(read(unit), sets, self.ngram))


def repeats_of_evaluation_sets(chosen: Chosen, section: Decontaminate, engine: Engine, report: Report) -> pl.DataFrame:
    """The chosen records that overlap with the section's evaluation sets: record_id and evaluation_sets.

    Raises:
        SourceError: a set cannot be read, or none of its rows is a record.
    """
    ngrams = {source.name: evaluation_ngrams(source, section.ngram) for source in section.against}
    return _repeats(chosen, ngrams, section, engine, report)


def repeats_of_held_out_prompts(
    snapshot: Snapshot,
    assignment: pl.DataFrame,
    section: Decontaminate,
    scratch: Scratch,
    engine: Engine,
    report: Report,
) -> pl.DataFrame:
    """Curated records in train that overlap with a prompt of validation or test: record_id and evaluation_sets.

    ``assignment`` has the record_id, batch and split of the records.
    """

    def chosen(rows: pl.DataFrame) -> Chosen:
        names = scratch.put(rows.select("record_id", "batch"))
        return Chosen(snapshot, catalog.CURATED_CORPUS.name, scratch, names)

    held_out = chosen(assignment.filter(pl.col("split") != "train"))
    hashed = held_out.work(engine, Hashing(held_out, section.ngram), report)
    prompts = pl.concat([pl.DataFrame(schema={"ngram": pl.UInt64}), *hashed])["ngram"].unique()
    train = chosen(assignment.filter(pl.col("split") == "train"))
    return _repeats(train, {"prompts": prompts}, section, engine, report)


def _repeats(
    chosen: Chosen, ngrams: Mapping[str, pl.Series], section: Decontaminate, engine: Engine, report: Report
) -> pl.DataFrame:
    sets = {name: chosen.scratch.put(found.alias("ngram").to_frame()) for name, found in ngrams.items()}
    shared = chosen.work(engine, Comparing(chosen, sets, section.ngram), report)
    return contaminated(pl.concat([pl.DataFrame(schema=SHARED), *shared]), [*sets], section.maximum_repeats)
