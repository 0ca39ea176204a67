"""Contaminated records of stored tables, found in units of work: repeats of evaluation sets and held-out prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from fineline.data_contracts import catalog
from fineline.resources.core.recipe.curation import Decontaminate
from fineline.resources.core.storage.units import Rows, Scratch, Snapshot
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

Worker = Callable[[Rows], str]
# Runs units with the worker that a factory builds; gives the keys of the tables that they leave.
Run = Callable[[Callable[[], Worker], Sequence[Rows]], Iterator[str]]


@dataclass(frozen=True)
class Chosen:
    """Some records of a stored table: those that the table ``names`` in ``scratch`` has the record_id and batch of."""

    snapshot: Snapshot
    asset: str
    scratch: Scratch
    names: str

    @property
    def units(self) -> list[Rows]:
        """The rows of all batches in which a record was chosen, as units of work."""
        batches = sorted(self.scratch.read(self.names)["batch"].unique())
        return self.snapshot.units(self.asset, batches, UNIT_RECORDS)

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


def repeats_of_evaluation_sets(chosen: Chosen, section: Decontaminate, run: Run) -> pl.DataFrame:
    """The chosen records that overlap with the section's evaluation sets: record_id and evaluation_sets.

    Raises:
        SourceError: a set cannot be read, or none of its rows is a record.
    """
    ngrams = {source.name: evaluation_ngrams(source, section.ngram) for source in section.against}
    return _repeats(chosen, ngrams, section, run)


def repeats_of_held_out_prompts(
    snapshot: Snapshot, assignment: pl.DataFrame, section: Decontaminate, scratch: Scratch, run: Run
) -> pl.DataFrame:
    """Curated records in train that overlap with a prompt of validation or test: record_id and evaluation_sets.

    ``assignment`` has the record_id, batch and split of the records.
    """

    def chosen(rows: pl.DataFrame) -> Chosen:
        names = scratch.put(rows.select("record_id", "batch"))
        return Chosen(snapshot, catalog.CURATED_CORPUS.name, scratch, names)

    held_out = chosen(assignment.filter(pl.col("split") != "train"))
    prompts = _gather(scratch, run(Hashing(held_out, section.ngram), held_out.units), {"ngram": pl.UInt64})
    train = chosen(assignment.filter(pl.col("split") == "train"))
    return _repeats(train, {"prompts": prompts["ngram"].unique()}, section, run)


def _repeats(chosen: Chosen, ngrams: Mapping[str, pl.Series], section: Decontaminate, run: Run) -> pl.DataFrame:
    sets = {name: chosen.scratch.put(found.alias("ngram").to_frame()) for name, found in ngrams.items()}
    shared = _gather(chosen.scratch, run(Comparing(chosen, sets, section.ngram), chosen.units), SHARED)
    return contaminated(shared, [*sets], section.maximum_repeats)


def _gather(scratch: Scratch, keys: Iterator[str], schema: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    return pl.concat([pl.DataFrame(schema=schema), *map(scratch.read, keys)])
