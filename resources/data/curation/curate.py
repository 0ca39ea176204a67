"""The curated corpus: unique records that passed every quality rule and repeat no evaluation set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from fineline.data_contracts import catalog
from fineline.data_contracts.records import CuratedRecord
from fineline.resources.core.storage.tables import TableOutput, dropped
from fineline.resources.core.storage.units import Rows, TableWork

CONTAMINATED = {"record_id": pl.String, "evaluation_sets": pl.String}


@dataclass(frozen=True)
class Curating(TableWork):
    """Keeps or drops each record of scrubbed batches.

    ``snapshot`` holds the scrubbed corpus, the clusters and the scores; ``contaminated`` names the evaluation sets that
    a record repeats, by its record_id.
    """

    asset = catalog.CURATED_CORPUS.name
    unit_rows = 50_000
    seconds_a_row = 1e-5
    contaminated: Mapping[str, str] = field(default_factory=dict)

    def output(self, unit: Rows) -> TableOutput:
        """The records of a unit that stay, and the others with the rules that dropped them."""
        records = self.snapshot.read(catalog.SCRUBBED_CORPUS.name, unit)
        of_these = records.select("record_id").lazy()
        clusters, scores = (
            self.snapshot.scan(asset.name, unit.batch).join(of_these, on="record_id", how="semi").collect()
            for asset in (catalog.DUPLICATE_CLUSTERS, catalog.RECORD_QUALITY)
        )
        return curate(records, clusters, scores, self.contaminated)


def unique_records(records: pl.DataFrame, clusters: pl.DataFrame) -> pl.DataFrame:
    """The representatives among the records, in their order, with ``cluster`` and ``family``."""
    representatives = clusters.filter("representative").select("record_id", "batch", "cluster", "family")
    return records.join(representatives, on=["record_id", "batch"], maintain_order="left")


def curate(
    records: pl.DataFrame, clusters: pl.DataFrame, quality: pl.DataFrame, contaminated: Mapping[str, str]
) -> TableOutput:
    """Keep unique records that passed every rule, and drop each other record with its rule.

    ``contaminated`` names the evaluation sets that a record repeats, by its record_id. Rows kept and dropped are in the
    order of the records.
    """
    found = pl.DataFrame([*contaminated.items()], schema=CONTAMINATED, orient="row")
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
