"""The rows of datasets, in the form that TRL reads."""

import dataframely as dy
import polars as pl

from fineline.data_contracts.messages import content_length, messages
from fineline.data_contracts.records import RECORD_ID_PATTERN, SPLITS


class SplitRow(dy.Schema):
    """The columns of every dataset: the record of a row, and its split."""

    record_id = dy.String(nullable=False, primary_key=True, regex=RECORD_ID_PATTERN)
    source = dy.String(nullable=False)
    label = dy.String(nullable=True)
    split = dy.Enum(SPLITS, nullable=False)


class SftRow(SplitRow):
    """A conversation, with its tokens under the base model's chat template."""

    prompt = messages()
    completion = messages()
    tokens = dy.UInt32(nullable=False)
    trained_tokens = dy.UInt32(nullable=False, min=1)


class PreferenceRow(SplitRow):
    """A prompt with a chosen and a rejected answer."""

    prompt = messages()
    chosen = messages()
    rejected = messages()
    tokens = dy.UInt32(nullable=False)

    @dy.rule()
    def both_answers_have_text(cls) -> pl.Expr:
        """A pair without two answers prefers nothing."""
        return (content_length("chosen") > 0) & (content_length("rejected") > 0)

    @dy.rule()
    def chosen_differs_from_rejected(cls) -> pl.Expr:
        """Two equal answers prefer nothing."""
        return pl.col("chosen") != pl.col("rejected")


class PretrainingRow(SplitRow):
    """A plain text for continued pretraining."""

    text = dy.String(nullable=False, min_length=1)
    tokens = dy.UInt32(nullable=False, min=1)
