"""What an audit found: one line for each promise."""

import dataframely as dy
import polars as pl

STATES = ["held", "broken", "not_checked", "nothing_there"]


class AuditFinding(dy.Schema):
    """Whether a promise holds of what is stored: how much was looked at, how much of it breaks the promise.

    ``not_checked``: it is damaged, or behind what it is made from; ``nothing_there``: it was not made, or the recipe
    does not ask for it. ``detail`` says which; it names assets, batches, files and rules, and nothing of a record.
    """

    promise = dy.String(nullable=False, primary_key=True)
    state = dy.Enum(STATES, nullable=False)
    checked = dy.UInt64(nullable=False)
    failures = dy.UInt64(nullable=False)
    detail = dy.String(nullable=False)

    @dy.rule()
    def what_is_broken_has_failures(cls) -> pl.Expr:
        """And nothing else has."""
        return (pl.col("state") == "broken") == (pl.col("failures") > 0)

    @dy.rule()
    def what_is_held_was_checked(cls) -> pl.Expr:
        """A promise of which nothing was looked at is not said to hold."""
        return (pl.col("state") != "held") | (pl.col("checked") > 0)
