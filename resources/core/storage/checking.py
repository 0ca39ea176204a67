"""Checking the rows of a table against its contract, and accounting for those that do not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import dataframely as dy
import polars as pl

from fineline.data_contracts.accounting import WISHED_RULES, Drop, QuarantinedRecord
from fineline.data_contracts.enforcement import enforce

DROP_SCHEMA = Drop.create_empty().schema
QUARANTINE_SCHEMA = QuarantinedRecord.create_empty().schema
# What a quarantined row keeps of its record, where the table has it.
KEYS = ("record_id", "source", "batch")


@dataclass(frozen=True)
class Counts:
    """The counts of a table or of a part of it. Those of parts add up, and so do their ``facts`` of one name."""

    rows_in: int = 0
    kept: int = 0
    dropped: int = 0
    quarantined: int = 0
    broken_rules: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def failed_checks(self, maximum_quarantine: float) -> list[str]:
        """The checks of every table that fail: rows are not accounted for, or too many broke the contract.

        Rows that the recipe keeps out (``allowed_licences``) count neither among the bad rows nor among all.
        """
        wished = sum(self.broken_rules.get(rule, 0) for rule in WISHED_RULES)
        judged = self.rows_in - wished
        share = (self.quarantined - wished) / judged if judged else 0.0
        accounted = self.rows_in == self.kept + self.dropped + self.quarantined
        passed = {"accounted_for": accounted, "under_contract": share <= maximum_quarantine}
        return [name for name in passed if not passed[name]]

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.rows_in + other.rows_in,
            self.kept + other.kept,
            self.dropped + other.dropped,
            self.quarantined + other.quarantined,
            _summed(self.broken_rules, other.broken_rules),
            _summed(self.facts, other.facts),
        )


def checked(
    asset: str, contract: type[dy.Schema], frame: pl.DataFrame, drops: pl.DataFrame, quarantine: pl.DataFrame
) -> dict[str, pl.DataFrame]:
    """The tables of an output by role: rows that fit the contract, drops in their order, rows in quarantine.

    Each row that breaks the contract is in quarantine with the rule that it breaks, and has a drop.
    """
    enforced = enforce(contract, frame)
    quarantine = pl.concat([quarantine, _quarantined(enforced.bad)])
    drops = pl.concat([drops, _quarantine_drops(quarantine, asset)]).sort("batch", "record_id", "rule")
    return {"data": enforced.good, "drops": drops, "quarantine": quarantine}


def _quarantined(bad: pl.DataFrame) -> pl.DataFrame:
    columns = [name for name in bad.columns if name not in ("rule", "detail")]
    known = {name: pl.col(name) if name in columns else pl.lit(None, pl.String) for name in KEYS}
    return bad.select(**known, rule="rule", detail="detail", record=pl.struct(columns).struct.json_encode()).cast(
        QUARANTINE_SCHEMA
    )


def _quarantine_drops(quarantine: pl.DataFrame, asset: str) -> pl.DataFrame:
    return quarantine.select(
        pl.col("record_id").fill_null(""),
        pl.col("source").fill_null(""),
        pl.col("batch").fill_null(""),
        asset=pl.lit(asset),
        fate=pl.lit("quarantined", DROP_SCHEMA["fate"]),
        rule="rule",
        detail="detail",
    )


def _summed(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both = {name: one[name] + other[name] for name in one.keys() & other.keys()}
    return {**one, **other, **both}
