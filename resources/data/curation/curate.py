"""The curated corpus: unique records that passed every quality rule and repeat no evaluation set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from fineline.data_contracts import catalog
from fineline.data_contracts.records import CuratedRecord
from fineline.resources.core.compute.engine import Engine
from fineline.resources.core.storage.tables import StagedPart, TableOutput, dropped, stage_part
from fineline.resources.core.storage.units import Rows, Snapshot, run_units

# Records of a unit of work, and the seconds that one takes a processor.
UNIT_RECORDS = 50_000
SECONDS_A_RECORD = 1e-5
CONTAMINATED = {"record_id": pl.String, "evaluation_sets": pl.String}


@dataclass(frozen=True)
class Curating:
    """Builds the worker that keeps or drops each row of scrubbed batches, and stages the outcome.

    ``snapshot`` holds the scrubbed corpus, the clusters and the scores; ``contaminated`` names the
    evaluation sets that a record repeats, by its record_id.
    """

    snapshot: Snapshot
    contaminated: Mapping[str, str] = field(default_factory=dict)

    def __call__(self) -> Callable[[Rows], StagedPart]:
        """The worker of a process."""
        return self._staged

    def parts(self, engine: Engine, batches: Sequence[str], report: Callable[[int, int], None]) -> Iterator[StagedPart]:
        """The parts of the table, batch by batch."""
        units = self.snapshot.units(catalog.SCRUBBED_CORPUS.name, batches, UNIT_RECORDS)
        return run_units(engine, self, units, report, seconds_a_row=SECONDS_A_RECORD)

    def _staged(self, unit: Rows) -> StagedPart:
        records = self.snapshot.read(catalog.SCRUBBED_CORPUS.name, unit)
        of_these = records.select("record_id").lazy()
        clusters, scores = (
            self.snapshot.scan(asset.name, unit.batch).join(of_these, on="record_id", how="semi").collect()
            for asset in (catalog.DUPLICATE_CLUSTERS, catalog.RECORD_QUALITY)
        )
        repeats = pl.DataFrame([*self.contaminated.items()], schema=CONTAMINATED, orient="row")
        output = curate(records, clusters, scores, repeats)
        return stage_part(self.snapshot.storage, catalog.CURATED_CORPUS.name, unit.batch, output)


def unique_records(records: pl.DataFrame, clusters: pl.DataFrame) -> pl.DataFrame:
    """The representatives among the records, in their order, with ``cluster`` and ``family``."""
    representatives = clusters.filter("representative").select("record_id", "batch", "cluster", "family")
    return records.join(representatives, on=["record_id", "batch"], maintain_order="left")


def curate(
    records: pl.DataFrame, clusters: pl.DataFrame, quality: pl.DataFrame, contaminated: pl.DataFrame | None = None
) -> TableOutput:
    """Keep unique records that passed every rule, and drop each other record with its rule.

    ``contaminated`` has the columns record_id and evaluation_sets, for records that repeat evaluation sets. Rows kept
    and dropped are in the order of the records.
    """
    found = pl.DataFrame(schema=CONTAMINATED) if contaminated is None else contaminated
    duplicates = dropped(
        clusters.filter(~pl.col("representative")),
        catalog.DUPLICATE_CLUSTERS.name,
        pl.col("reason").cast(pl.String),
        pl.format("{} similar in the cluster of {}", pl.col("similarity").round(3), "cluster"),
    )
    unique = unique_records(records, clusters).join(
        quality.select("record_id", "failed_rule"), on="record_id", maintain_order="left"
    )
    failed = dropped(unique.drop_nulls("failed_rule"), catalog.RECORD_QUALITY.name, pl.col("failed_rule"))
    passed = unique.filter(pl.col("failed_rule").is_null())
    repeats = dropped(
        passed.join(found, on="record_id"),
        catalog.CURATED_CORPUS.name,
        "contaminated",
        pl.format("repeats {}", "evaluation_sets"),
    )
    drops = pl.concat([duplicates, failed, repeats])
    return TableOutput(
        passed.join(found, on="record_id", how="anti", maintain_order="left").select(CuratedRecord.column_names()),
        rows_in=records.height,
        drops=records.select("record_id", "batch")
        .join(drops, on=["record_id", "batch"], maintain_order="left")
        .select(drops.columns),
    )
