"""The canonical record as it was read, scrubbed and curated."""

import dataframely as dy
import polars as pl

from fineline.data_contracts.messages import content_length, messages

RECORD_ID_PATTERN = "^[0-9a-f]{32}$"
KINDS = ["text", "chat", "preference"]
SPLITS = ["train", "validation", "test"]


class Record(dy.Schema):
    """One row of a corpus: a text, a conversation, or a preference."""

    record_id = dy.String(nullable=False, primary_key=True, regex=RECORD_ID_PATTERN)
    source = dy.String(nullable=False, min_length=1)
    batch = dy.String(nullable=False, primary_key=True, min_length=1)
    kind = dy.Enum(KINDS, nullable=False)
    prompt = messages()
    completion = messages()
    rejected = messages(nullable=True)
    tools = dy.String(nullable=True)
    label = dy.String(nullable=True)
    group = dy.String(nullable=True)
    licence = dy.String(nullable=False, min_length=1)
    metadata = dy.String(nullable=False)

    @dy.rule()
    def completion_has_text(cls) -> pl.Expr:
        """An empty answer teaches nothing."""
        return content_length("completion") > 0

    @dy.rule()
    def prompt_has_text_unless_kind_is_text(cls) -> pl.Expr:
        """A conversation or preference without a prompt cannot be answered."""
        return (pl.col("kind") == "text") | (content_length("prompt") > 0)

    @dy.rule()
    def preference_has_rejected_text(cls) -> pl.Expr:
        """A preference is a pair; the other kinds have no second answer."""
        has_rejected = pl.col("rejected").is_not_null() & (content_length("rejected") > 0)
        return has_rejected == (pl.col("kind") == "preference")

    @dy.rule()
    def chosen_differs_from_rejected(cls) -> pl.Expr:
        """Two equal answers prefer nothing."""
        return pl.col("rejected").is_null() | (pl.col("completion") != pl.col("rejected"))


class ScrubbedRecord(Record):
    """A record whose personal data has been replaced; ``replacements`` counts the replaced spans."""

    replacements = dy.UInt32(nullable=False)


class CuratedRecord(ScrubbedRecord):
    """A record that is unique and passed every quality rule, with its ``cluster`` and ``family``.

    Deduplication keeps one row of a record that several batches brought: its record_id alone is the primary key.
    """

    batch = dy.String(nullable=False, min_length=1)
    cluster = dy.String(nullable=False, regex=RECORD_ID_PATTERN)
    family = dy.String(nullable=False, regex=RECORD_ID_PATTERN)
