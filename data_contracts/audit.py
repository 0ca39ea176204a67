"""Contract of the audit report: one finding for each promise."""

import dataframely as dy
import polars as pl


class AuditFinding(dy.Schema):
    """Whether the stored data keep a promise: how many things were checked, and how many of them break it.

    ``not_checked``: the data are damaged or behind their inputs. ``nothing_there``: there are no such data yet, or the
    recipe does not ask for them. ``detail`` names assets, batches, files and rules, and nothing of a record.
    """

    promise = dy.String(nullable=False, primary_key=True)
    state = dy.Enum(["held", "broken", "not_checked", "nothing_there"], nullable=False)
    checked = dy.UInt64(nullable=False)
    failures = dy.UInt64(nullable=False)
    detail = dy.String(nullable=False)

    @dy.rule()
    def what_is_broken_has_failures(cls) -> pl.Expr:
        """A broken promise has failures, and no other promise has any."""
        return (pl.col("state") == "broken") == (pl.col("failures") > 0)

    @dy.rule()
    def what_is_held_was_checked(cls) -> pl.Expr:
        """A promise holds only if something was checked for it."""
        return (pl.col("state") != "held") | (pl.col("checked") > 0)
