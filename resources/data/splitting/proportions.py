"""The shares of each stratum in the splits, and the reasons for gaps."""

import polars as pl

from fineline.resources.core.recipe.curation import Split
from fineline.resources.data.splitting.assignment import asked_shares
from fineline.resources.data.splitting.groups import strata

TOLERANCE = 0.01


def proportions(assignment: pl.DataFrame, section: Split, by: str = "stratum") -> pl.DataFrame:
    """The division of each value of a column: value, split, records, share, expected, gap = share - expected."""
    shares = asked_shares(section)
    asked = pl.DataFrame({"split": list(shares), "expected": list(shares.values())})
    counts = assignment.group_by(by, pl.col("split").cast(pl.String)).len("records")
    return (
        assignment.select(pl.col(by).unique())
        .join(asked, how="cross")
        .join(counts, on=[by, "split"], how="left")
        .with_columns(pl.col("records").fill_null(0))
        .with_columns(share=pl.col("records") / pl.sum("records").over(by))
        .with_columns(gap=pl.col("share") - pl.col("expected"))
        .select(by, "split", "records", "share", "expected", "gap")
        .sort(by, "split")
    )


def by_dimension(assignment: pl.DataFrame, curated: pl.DataFrame, section: Split) -> pl.DataFrame:
    """The shares of all records, and of each value of the dimensions of the strata (source, label, length, …).

    One row a value: dimension, value, records, the share of each split, and gap, the largest of its gaps.
    """
    dimensions = {"all": pl.lit("all"), **strata(section)}
    values = curated.select("record_id", **dimensions)
    placed = assignment.select("record_id", "split").join(values, on="record_id")
    tables = []
    for dimension in dimensions:
        table = proportions(placed.rename({dimension: "value"}), section, "value")
        share = {split: pl.col("share").filter(pl.col("split") == split).first() for split in asked_shares(section)}
        wide = table.group_by("value").agg(pl.sum("records"), **share, gap=pl.col("gap").abs().max())
        wide = wide.sort("records", "value", descending=[True, False])
        tables.append(wide.select(pl.lit(dimension).alias("dimension"), *wide.columns))
    return pl.concat(tables)


def misfits(assignment: pl.DataFrame, section: Split) -> pl.DataFrame:
    """Strata that miss a share by more than one percentage point: stratum, records, gap, largest (group), why.

    A small stratum cannot be divided more finely than its records, nor one that large groups fill.
    """
    sizes = assignment.group_by("stratum", "split_group").len().group_by("stratum").agg(largest=pl.max("len"))
    gaps = proportions(assignment, section).group_by("stratum").agg(pl.sum("records"), gap=pl.col("gap").abs().max())
    one_record = pl.format("one record is {} % of it", (100 / pl.col("records")).round(1))
    one_group = pl.format("its largest group is {} % of it", (100 * pl.col("largest") / pl.col("records")).round(1))
    return (
        gaps.filter(pl.col("gap") > TOLERANCE)
        .join(sizes, on="stratum")
        .with_columns(
            why=pl.when(pl.col("gap") <= 1 / pl.col("records"))
            .then(one_record)
            .when(pl.col("largest") > 1)
            .then(one_group)
            .otherwise(pl.lit("records that were placed earlier stay where they are"))
        )
        .sort("records", "stratum", descending=[True, False])
        .select("stratum", "records", "gap", "largest", "why")
    )
