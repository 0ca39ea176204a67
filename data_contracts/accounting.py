"""Where every record went: drops of one stage, and the ledger over all stages."""

import dataframely as dy
import polars as pl

FATES = ["kept", "dropped", "quarantined"]
LICENCE_NOT_ALLOWED = "licence_not_allowed"
# Of such a drop only a tombstone is left: a keyed hash in the place of the record_id.
FORGOTTEN = "forgotten"
# Rows that the recipe itself keeps out are no sign of a broken table: they do not count for maximum_quarantine.
WISHED_RULES = [LICENCE_NOT_ALLOWED]


class Drop(dy.Schema):
    """A record that a stage did not pass on: the rule that stopped it and, without its text, why."""

    record_id = dy.String(nullable=False)
    source = dy.String(nullable=False)
    batch = dy.String(nullable=False)
    stage = dy.String(nullable=False)
    fate = dy.Enum(FATES[1:], nullable=False)
    rule = dy.String(nullable=False)
    detail = dy.String(nullable=True)


class LedgerEntry(dy.Schema):
    """The one place of a raw record. ``copy`` tells identical rows of one batch apart (0, 1, …)."""

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
    """A row that broke a contract, kept whole (as JSON) with every rule that it broke."""

    record_id = dy.String(nullable=True)
    source = dy.String(nullable=True)
    batch = dy.String(nullable=True)
    rule = dy.String(nullable=False)
    detail = dy.String(nullable=True)
    record = dy.String(nullable=False)
