"""Checking the rows of a table against its contract, and accounting for those that do not fit."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from fineline.data_contracts.accounting import Drop, QuarantinedRecord
from fineline.data_contracts.enforcement import enforce

DROP_SCHEMA = Drop.create_empty().schema
QUARANTINE_SCHEMA = QuarantinedRecord.create_empty().schema
# What a quarantined row keeps of its record, where the table has it.
KEYS = ("record_id", "source", "batch")


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


def _quarantine_drops(quarantine: pl.DataFrame, stage: str) -> pl.DataFrame:
    return quarantine.select(
        pl.col("record_id").fill_null(""),
        pl.col("source").fill_null(""),
        pl.col("batch").fill_null(""),
        stage=pl.lit(stage),
        fate=pl.lit("quarantined", DROP_SCHEMA["fate"]),
        rule="rule",
        detail="detail",
    )
