"""Reuse of token counts: a row that was counted before is not counted again while its content stays the same."""

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
    """Rows (record_id, and the counted columns) with ``content``, a hash of all of these columns.

    Another version of polars may hash differently; then all rows are counted again.
    """
    columns = [
        pl.col(name).cast(pl.String) if rows.schema[name] == pl.String else _as_text(name) for name in rows.columns
    ]
    return rows.with_columns(content=pl.struct(columns).hash())


def split_known(rows: pl.DataFrame, known: pl.DataFrame | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The earlier counts (``COUNTED``) that still hold for rows ``with_content``, and the rows that must be counted."""
    reused = pl.DataFrame(schema=COUNTED) if known is None else known.join(rows, on=KEY, how="semi")
    return reused, rows.join(reused, on=KEY, how="anti", maintain_order="left")


def joined(reused: pl.DataFrame, rows: pl.DataFrame, counts: pl.DataFrame) -> pl.DataFrame:
    """The reused counts and those of ``rows``, sorted by record_id."""
    fresh = counts.join(rows.select(KEY), on="record_id").select(*COUNTED)
    return pl.concat([reused.select(*COUNTED), fresh.cast(pl.Schema(COUNTED))]).sort("record_id")


def _as_text(column: str) -> pl.Expr:
    """Messages as one text that keeps roles and ends distinct from contents."""
    message = pl.element().struct.json_encode()
    return pl.col(column).list.eval(message).list.join("\n").alias(column)
