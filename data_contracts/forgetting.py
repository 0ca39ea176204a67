"""Contracts of forgetting: tombstones that keep forgotten records out, and certificates."""

import dataframely as dy
import polars as pl

from fineline.data_contracts.records import RECORD_ID_PATTERN


class Tombstone(dy.Schema):
    """A keyed hash of a record_id, of the words of a text, or of a source that must not come back.

    A phrase is found by its longest word: ``anchor`` is 16 bits of that word's keyed hash, ``position`` its place
    among the phrase's ``words``. ``key`` is the fingerprint of the key, without which nothing can be recognised.
    """

    request_id = dy.String(nullable=False, primary_key=True)
    tombstone = dy.String(nullable=False, primary_key=True, regex=RECORD_ID_PATTERN)
    kind = dy.Enum(["record", "phrase", "source"], nullable=False)
    anchor = dy.UInt16(nullable=True)
    words = dy.UInt16(nullable=True)
    position = dy.UInt16(nullable=True)
    key = dy.String(nullable=False)

    @dy.rule()
    def a_phrase_has_its_anchor(cls) -> pl.Expr:
        """A phrase has anchor, words and position; other kinds are recognised by their hash alone."""
        is_phrase = pl.col("kind") == "phrase"
        return pl.all_horizontal(pl.col(name).is_not_null() == is_phrase for name in ("anchor", "words", "position"))


class ForgettingCertificate(dy.Schema):
    """What one request to forget removed, which models had seen it, and where it still is. Holds no personal data.

    ``looked_for`` lists the written forms that were looked for, ``searched`` the files; ``resembles`` are places that a
    person must look at, since what stands there may be the same person or another.
    """

    request_id = dy.String(nullable=False, primary_key=True)
    reason = dy.String(nullable=False)
    asked_by = dy.Enum(["record", "text", "source", "batch"], nullable=False)
    asked = dy.String(nullable=False, regex=RECORD_ID_PATTERN)
    completed_at = dy.Datetime(nullable=False, time_unit="us", time_zone="UTC")
    records = dy.UInt32(nullable=False)
    removed = dy.List(
        dy.Struct({"table": dy.String(nullable=False), "rows": dy.UInt32(nullable=False)}, nullable=False),
        nullable=False,
    )
    files_rewritten = dy.UInt32(nullable=False)
    seen_by = dy.List(
        dy.Struct(
            {
                "model": dy.String(nullable=False),
                "data_version": dy.String(nullable=True),
                "records": dy.UInt32(nullable=False),
            },
            nullable=False,
        ),
        nullable=False,
    )
    outside = dy.List(dy.String(nullable=False), nullable=False)
    files_swept = dy.UInt32(nullable=False)
    sought = dy.UInt32(nullable=False)
    remains = dy.List(dy.String(nullable=False), nullable=False)
    resembles = dy.List(dy.String(nullable=False), nullable=False)
    looked_for = dy.List(dy.String(nullable=False), nullable=False)
    searched = dy.List(dy.String(nullable=False), nullable=False)
