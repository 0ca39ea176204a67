"""From clusters and quality to the curated corpus, and the counts that people look at."""

import polars as pl

from fineline.data_contracts.records import CuratedRecord
from fineline.resources.core.storage.tables import TableOutput, dropped

BANDS = [(1, "1 (unique)"), (2, "2"), (5, "3 to 5"), (20, "6 to 20"), (None, "more than 20")]


def unique_records(records: pl.DataFrame, clusters: pl.DataFrame) -> pl.DataFrame:
    """The representative of each cluster, in the order of record_id."""
    stays = clusters.filter("representative").select("record_id", "batch", "cluster", "family")
    return records.join(stays, on=["record_id", "batch"]).sort("record_id")


def curate(
    records: pl.DataFrame, clusters: pl.DataFrame, quality: pl.DataFrame, contaminated: pl.DataFrame | None = None
) -> TableOutput:
    """Keep unique records that passed every rule; a drop for each other record, with its rule.

    ``contaminated`` has the record_id of records that repeat evaluation sets, and the names of these.
    """
    removed = clusters.filter(~pl.col("representative"))
    duplicates = dropped(
        removed,
        "duplicate_clusters",
        pl.col("reason").cast(pl.String),
        pl.format("{} similar in the cluster of {}", pl.col("similarity").round(3), "cluster"),
    )
    unique = unique_records(records, clusters).join(quality.select("record_id", "failed_rule"), on="record_id")
    failed = dropped(unique.drop_nulls("failed_rule"), "record_quality", pl.col("failed_rule"))
    passed = unique.filter(pl.col("failed_rule").is_null())
    seen = pl.DataFrame(schema=["record_id", "evaluation_sets"]) if contaminated is None else contaminated
    seen = seen.cast(pl.String)
    repeats = dropped(
        passed.join(seen, on="record_id", maintain_order="left"),
        "curated_corpus",
        "contaminated",
        pl.format("repeats {}", "evaluation_sets"),
    )
    return TableOutput(
        passed.join(seen, on="record_id", how="anti", maintain_order="left").select(CuratedRecord.column_names()),
        rows_in=records.height,
        drops=pl.concat([duplicates, failed, repeats]),
    )


def cluster_size_bands(clusters: pl.DataFrame) -> dict[str, float]:
    """Records by the size of the cluster that they are in."""
    sizes = clusters.select(pl.len().over("cluster"))["len"]
    bands: dict[str, float] = {}
    low = 0
    for high, name in BANDS:
        inside = sizes > low if high is None else (sizes > low) & (sizes <= high)
        bands[name] = float(inside.sum())
        low = high or low
    return bands


def similarity_bands(clusters: pl.DataFrame) -> dict[str, float]:
    """Removed near-duplicates by their similarity, in steps of 0.05, then the exact duplicates."""
    near = clusters.filter(pl.col("reason") == "near_duplicate")
    steps = near.group_by(step=(pl.col("similarity") * 20).floor()).len().sort("step")
    bands = {f"{step / 20:.2f} to {min(step / 20 + 0.05, 1.0):.2f}": float(count) for step, count in steps.iter_rows()}
    return {**bands, "exact": float((clusters["reason"] == "exact_duplicate").sum())}


def counts_by(frame: pl.DataFrame, column: str) -> dict[str, int]:
    """How many rows have each value of a column, in the order of the values."""
    return {str(value): int(count) for value, count in frame.group_by(column).len().sort(column).iter_rows()}
