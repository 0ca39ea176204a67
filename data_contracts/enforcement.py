"""Enforcing a contract on a table: good rows go on, bad rows keep the names of the rules they broke."""

from typing import NamedTuple

import dataframely as dy
import polars as pl


class Enforced(NamedTuple):
    """``good`` fits the contract. ``bad`` holds the other rows, with ``rule`` (the first broken) and ``detail``."""

    good: pl.DataFrame
    bad: pl.DataFrame


BROKEN, AND = "breaks ", ", "


def rules_broken(quarantine: pl.DataFrame) -> dict[str, int]:
    """Rows in quarantine by each rule that they broke; a row that broke several counts for each of them."""
    named = pl.col("detail").str.starts_with(BROKEN).fill_null(value=False)
    rules = pl.when(named).then(pl.col("detail").str.strip_prefix(BROKEN).str.split(AND))
    each = quarantine.select(rules.otherwise(pl.concat_list("rule")).explode().alias("rule"))
    return dict(each.group_by("rule").len().sort("rule").iter_rows())


def enforce(contract: type[dy.Schema], frame: pl.DataFrame) -> Enforced:
    """Split a table into rows that fit a contract and rows that do not.

    Raises polars' ColumnNotFoundError where a column is missing: a fault of the code that made the table, not of a row.
    """
    result = contract.filter(frame.select(contract.column_names()), cast=True)
    if result.failure.invalid().is_empty():
        reasons = {"rule": pl.lit(None, pl.String), "detail": pl.lit(None, pl.String)}
        return Enforced(result.result, result.failure.invalid().with_columns(**reasons))
    rules = sorted(result.failure.counts())
    broken = pl.concat_list(
        [pl.when(pl.col(rule) == "invalid").then(pl.lit(rule)).otherwise(None) for rule in rules]
    ).list.drop_nulls()
    bad = result.failure.details().select(
        *contract.column_names(),
        rule=broken.list.first(),
        detail=pl.lit(BROKEN) + broken.list.join(AND),
    )
    return Enforced(result.result, bad)
