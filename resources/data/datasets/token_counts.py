"""Token counts of rows that were counted before: only what a row says decides on them, so they are kept with it."""

import polars as pl

COUNTED = {
    "record_id": pl.String,
    "content": pl.UInt64,
    "tokens": pl.UInt32,
    "trained_tokens": pl.UInt32,
    "stop_token_trained": pl.Boolean,
    "truncated": pl.Boolean,
}
KEY = ["record_id", "content"]


def with_content(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows (record_id, and the columns that are counted) with ``content``, a hash of all these columns.

    Another version of polars may hash otherwise: then all is counted anew.
    """
    said = [pl.col(name).cast(pl.String) if rows.schema[name] == pl.String else _as_text(name) for name in rows.columns]
    return rows.with_columns(content=pl.struct(said).hash())


def split_known(rows: pl.DataFrame, known: pl.DataFrame | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The earlier counts (``COUNTED``) that hold for rows ``with_content``, and the rows that must be counted."""
    held = pl.DataFrame(schema=COUNTED) if known is None else known.join(rows, on=KEY, how="semi")
    return held, rows.join(held, on=KEY, how="anti", maintain_order="left")


def joined(held: pl.DataFrame, rows: pl.DataFrame, counts: pl.DataFrame) -> pl.DataFrame:
    """Earlier counts and those of ``rows``, by record_id."""
    fresh = counts.join(rows.select(KEY), on="record_id").select(*COUNTED)
    return pl.concat([held.select(*COUNTED), fresh.cast(pl.Schema(COUNTED))]).sort("record_id")


def _as_text(column: str) -> pl.Expr:
    """Messages as one text, in which roles and ends are told apart from what is said."""
    message = pl.element().struct.json_encode()
    return pl.col(column).list.eval(message).list.join("\n").alias(column)
