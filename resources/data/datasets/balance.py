"""What a corpus is made of, and how much of each part a training set takes."""

import polars as pl

from fineline.data_contracts.records import content_length
from fineline.resources.core.recipe.curation import Balance
from fineline.resources.core.storage.tables import dropped

# Characters of the answer, or of the text.
LENGTHS = [100, 500, 2000, 8000]
SHOWN = 20


def balanced(rows: pl.DataFrame, section: Balance) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of a training set that caps and mixing weights leave, and drops for the others, with the rule.

    Only train rows are touched: validation and test rows stay as they come. Which rows stay is decided by their
    order, which :func:`fineline.resources.data.datasets.rows.candidates` makes one of hashes: with more data, or a
    higher cap, the rows that were taken are taken still, but for those that new ones precede. With weights,
    train rows come in an order whose every beginning has the mix (Webster's method of apportionment), up to
    where the first source is used up.
    """
    train, others = rows.filter(pl.col("split") == "train"), rows.filter(pl.col("split") != "train")
    train, over_label = _cap(train, section.maximum_per_label, "label")
    train, over_source = _cap(train, section.maximum_per_source, "source")
    train, unmixed = _mix(train, section.weights)
    drops = [
        dropped(over_label, "datasets", "over_cap", pl.lit(f"maximum_per_label {section.maximum_per_label}")),
        dropped(over_source, "datasets", "over_cap", pl.lit(f"maximum_per_source {section.maximum_per_source}")),
        dropped(unmixed, "datasets", "mixing", pl.format("more {} than its weight", "source")),
    ]
    return pl.concat([train, others]), pl.concat(drops)


def _cap(rows: pl.DataFrame, maximum: int | None, by: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The first rows of each source (of each label of a source), and the rest. Rows without a label have no cap."""
    if maximum is None:
        return rows, rows.clear()
    groups = ["source"] if by == "source" else ["source", "label"]
    over = (pl.int_range(pl.len()).over(groups) >= maximum) & pl.col(by).is_not_null()
    return rows.filter(~over), rows.filter(over)


def _mix(rows: pl.DataFrame, weights: dict[str, float]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows in the order of their place in the mix, and those for which the others do not suffice."""
    if not weights:
        return rows, rows.clear()
    weight = pl.col("source").replace_strict(weights, default=1.0, return_dtype=pl.Float64)
    placed = rows.with_columns(
        place=(pl.int_range(pl.len()).over("source") + 0.5) / weight, end=pl.len().over("source") / weight
    )
    # A weight of 0 puts a source at infinity.
    mixed = pl.col("place") < pl.col("end").min()
    in_order = placed.sort("place", maintain_order=True)
    return in_order.filter(mixed).select(rows.columns), in_order.filter(~mixed).select(rows.columns)


def composition(records: pl.DataFrame) -> pl.DataFrame:
    """How many records are of each source, label and length band: by, value, records, share of all.

    Of values of one kind, the most frequent 20.
    """
    length = content_length("completion")
    band = pl.lit(f"over {LENGTHS[-1]} characters")
    for limit in reversed(LENGTHS):
        band = pl.when(length <= limit).then(pl.lit(f"up to {limit} characters")).otherwise(band)
    of = {"source": pl.col("source"), "label": pl.format("{}: {}", "source", "label"), "length": band}
    counts = [
        records.select(by=pl.lit(name), value=value).drop_nulls().group_by("by", "value").len("records")
        for name, value in of.items()
    ]
    order = [pl.col("by") == "length", pl.col("by") == "label", "records", "value"]
    return (
        pl.concat(counts)
        .with_columns(share=pl.col("records") / max(records.height, 1))
        .sort(order, descending=[False, False, True, False])
        .group_by("by", maintain_order=True)
        .head(SHOWN)
    )
