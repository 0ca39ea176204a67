"""The curated corpus: unique records that passed every quality rule and repeat no evaluation set."""

import polars as pl

from fineline.data_contracts import catalog
from fineline.data_contracts.records import CuratedRecord
from fineline.resources.core.storage.tables import TableOutput, dropped


def unique_records(records: pl.DataFrame, clusters: pl.DataFrame) -> pl.DataFrame:
    """The representative of each cluster, in the order of record_id."""
    stays = clusters.filter("representative").select("record_id", "batch", "cluster", "family")
    return records.join(stays, on=["record_id", "batch"]).sort("record_id")


def curate(
    records: pl.DataFrame, clusters: pl.DataFrame, quality: pl.DataFrame, contaminated: pl.DataFrame | None = None
) -> TableOutput:
    """Keep unique records that passed every rule, and drop each other record with its rule.

    ``contaminated`` has the columns record_id and evaluation_sets, for records that repeat evaluation sets.
    """
    removed = clusters.filter(~pl.col("representative"))
    duplicates = dropped(
        removed,
        catalog.DUPLICATE_CLUSTERS.name,
        pl.col("reason").cast(pl.String),
        pl.format("{} similar in the cluster of {}", pl.col("similarity").round(3), "cluster"),
    )
    unique = unique_records(records, clusters).join(quality.select("record_id", "failed_rule"), on="record_id")
    failed = dropped(unique.drop_nulls("failed_rule"), catalog.RECORD_QUALITY.name, pl.col("failed_rule"))
    passed = unique.filter(pl.col("failed_rule").is_null())
    found = pl.DataFrame(schema=["record_id", "evaluation_sets"]) if contaminated is None else contaminated
    found = found.cast(pl.String)
    repeats = dropped(
        passed.join(found, on="record_id", maintain_order="left"),
        catalog.CURATED_CORPUS.name,
        "contaminated",
        pl.format("repeats {}", "evaluation_sets"),
    )
    return TableOutput(
        passed.join(found, on="record_id", how="anti", maintain_order="left").select(CuratedRecord.column_names()),
        rows_in=records.height,
        drops=pl.concat([duplicates, failed, repeats]),
    )
