"""Balance of a dataset: caps on sources and labels, and mixing weights."""

import polars as pl

from fineline.resources.core.recipe.curation import Balance
from fineline.resources.core.storage.tables import dropped


def balanced(rows: pl.DataFrame, section: Balance, asset: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of an asset that caps and mixing weights leave, and drops of the others, each with its rule.

    Only train rows are dropped. The first rows in their order are kept;
    :func:`fineline.resources.data.datasets.rows.candidates` orders them by hash, so that with more data or a higher cap
    a kept row stays unless new rows precede it. With weights, train rows are reordered so that every prefix has the
    mix (Webster's method of apportionment), and they end where the first source is used up.
    """
    train, others = rows.filter(pl.col("split") == "train"), rows.filter(pl.col("split") != "train")
    train, over_label = _cap(train, section.maximum_per_label, "label")
    train, over_source = _cap(train, section.maximum_per_source, "source")
    train, unmixed = _mix(train, section.weights)
    drops = [
        dropped(over_label, asset, "over_cap", pl.lit(f"maximum_per_label {section.maximum_per_label}")),
        dropped(over_source, asset, "over_cap", pl.lit(f"maximum_per_source {section.maximum_per_source}")),
        dropped(unmixed, asset, "mixing", pl.format("more {} than its weight", "source")),
    ]
    return pl.concat([train, others]), pl.concat(drops)


def _cap(rows: pl.DataFrame, maximum: int | None, by: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The first rows of each source, or of each label of a source, and the rest. Rows without a label have no cap."""
    if maximum is None:
        return rows, rows.clear()
    groups = ["source"] if by == "source" else ["source", "label"]
    over = (pl.int_range(pl.len()).over(groups) >= maximum) & pl.col(by).is_not_null()
    return rows.filter(~over), rows.filter(over)


def _mix(rows: pl.DataFrame, weights: dict[str, float]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows in the order of the mix, and those that follow the end of the first source."""
    if not weights:
        return rows, rows.clear()
    weight = pl.col("source").replace_strict(weights, default=1.0, return_dtype=pl.Float64)
    placed = rows.with_columns(
        place=(pl.int_range(pl.len()).over("source") + 0.5) / weight, end=pl.len().over("source") / weight
    )
    # A weight of 0 gives infinite places.
    mixed = pl.col("place") < pl.col("end").min()
    in_order = placed.sort("place", maintain_order=True)
    return in_order.filter(mixed).select(rows.columns), in_order.filter(~mixed).select(rows.columns)
