"""What is known of a model beside its weights."""

import dataframely as dy
import polars as pl

from fineline.data_contracts.records import RECORD_ID_PATTERN


class SeenRecord(dy.Schema):
    """A record that a model was trained on or validated with, and the data set that brought it.

    Of a ``forgotten`` record only a keyed hash is left as its record_id, and the ``request`` that asked for it.
    """

    record_id = dy.String(nullable=False, primary_key=True, regex=RECORD_ID_PATTERN)
    dataset = dy.String(nullable=False, primary_key=True, min_length=1)
    split = dy.Enum(["train", "validation"], nullable=False)
    forgotten = dy.Bool(nullable=False)
    request = dy.String(nullable=True)

    @dy.rule()
    def a_forgotten_record_names_its_request(cls) -> pl.Expr:
        """And no other does."""
        return pl.col("forgotten") == pl.col("request").is_not_null()
