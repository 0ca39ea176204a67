"""The targets of a removal: which rows of a table go, and what takes the place of a record_id in those that stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from fineline.resources.governance.forgetting.texts import contains_any, strings, text_columns


@dataclass(frozen=True)
class Targets:
    """What to remove: records, with their ``tombstones``, and rows that contain one of the ``needles``."""

    tombstones: Mapping[str, str]
    needles: Sequence[str]

    def taken(self, frame: pl.DataFrame) -> pl.Series:
        """Whether each row goes: a row of one of the records, or one that contains a needle.

        A table without the column record_id loses the rows that name one of the records in any column.
        """
        named = ["record_id"] if "record_id" in frame.columns else _strings(frame.schema)
        gone = frame.select(pl.any_horizontal(pl.lit(False), *(self.is_one(name) for name in named)).alias("gone"))
        return gone["gone"] | contains_any(strings(frame), self.needles)

    def renamed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with tombstones where rows that stay name a record, such as the representative of a cluster."""
        named = [name for name in _strings(frame.schema) if frame.select(self._names_one(name).any()).item()]
        ids, instead = list(self.tombstones), list(self.tombstones.values())
        return frame.with_columns(pl.col(name).str.replace_many(ids, instead) for name in named)

    def searched(self, schema: pl.Schema) -> list[str]:
        """The columns of a table that show whether it changes; reading the others would take time."""
        return text_columns(schema) if self.needles else _strings(schema)

    def touches(self, frame: pl.DataFrame) -> bool:
        """Whether a table would change."""
        named = [self._names_one(name).any() for name in _strings(frame.schema)]
        return frame.select(pl.any_horizontal(pl.lit(False), *named)).item() or bool(self.taken(frame).any())

    def is_one(self, column: str) -> pl.Expr:
        """Whether a column equals the record_id of one of the records."""
        return pl.col(column).is_in(list(self.tombstones)).fill_null(False)

    def _names_one(self, column: str) -> pl.Expr:
        """Whether a column's text contains one of the record_ids, as the detail of a drop does for a similar record."""
        if not self.tombstones:
            return pl.lit(False)
        return pl.col(column).str.contains_any(list(self.tombstones)).fill_null(False)


def _strings(schema: pl.Schema) -> list[str]:
    """The columns that may name a record."""
    return [name for name, kind in schema.items() if kind == pl.String]
