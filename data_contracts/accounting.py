"""Contracts of the account of records: drops, quarantine, and the ledger over all assets."""

import dataframely as dy
import polars as pl

FATES = ["kept", "dropped", "quarantined"]
LICENCE_NOT_ALLOWED = "licence_not_allowed"
# The rule of a row that repeats an earlier one of its batch.
REPEATED = "repeated_row"
# The rule of a forgotten record, whose drop carries a tombstone (a keyed hash) in place of its record_id.
FORGOTTEN = "forgotten"
LEDGER_ORDER = ["batch", "record_id", "copy", "place", "rule", "detail"]
# Rows that the recipe itself refuses are no sign of a broken table, so maximum_quarantine does not count them.
WISHED_RULES = [LICENCE_NOT_ALLOWED]


class Drop(dy.Schema):
    """A record that an asset, named by ``asset``, did not pass on: the rule that stopped it and why."""

    record_id = dy.String(nullable=False)
    source = dy.String(nullable=False)
    batch = dy.String(nullable=False)
    asset = dy.String(nullable=False)
    fate = dy.Enum(FATES[1:], nullable=False)
    rule = dy.String(nullable=False)
    detail = dy.String(nullable=True)


class LedgerEntry(dy.Schema):
    """The one place of a row read. ``copy`` numbers the identical rows of one batch (0, 1, …)."""

    record_id = dy.String(nullable=False, primary_key=True)
    batch = dy.String(nullable=False, primary_key=True)
    copy = dy.UInt32(nullable=False, primary_key=True)
    source = dy.String(nullable=False)
    fate = dy.Enum(FATES, nullable=False)
    place = dy.String(nullable=False)
    rule = dy.String(nullable=True)
    detail = dy.String(nullable=True)

    @dy.rule()
    def a_record_that_is_gone_names_its_rule(cls) -> pl.Expr:
        """Kept records have no rule; all others have one."""
        return (pl.col("fate") == "kept") == pl.col("rule").is_null()


class QuarantinedRecord(dy.Schema):
    """A row that broke a contract, stored whole as JSON.

    ``rule`` is the first rule that it broke, ``detail`` names all of them.
    """

    record_id = dy.String(nullable=True)
    source = dy.String(nullable=True)
    batch = dy.String(nullable=True)
    rule = dy.String(nullable=False)
    detail = dy.String(nullable=True)
    record = dy.String(nullable=False)
