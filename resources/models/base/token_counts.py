"""Token counts of training rows, independent of the trainer that will mask them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from fineline.resources.models.base.encoding import Encoded, encode_pairs, encode_texts, load_tokenizer
from fineline.resources.models.base.folders import stop_token_ids
from fineline.resources.models.base.tasks import CountTokens, TokenCounts
from fineline.resources.models.worker.protocol import Log

CHUNK = 2000
SCHEMA = {
    "record_id": pl.String,
    "tokens": pl.UInt32,
    "trained_tokens": pl.UInt32,
    "stop_token_trained": pl.Boolean,
    "truncated": pl.Boolean,
}


def account(
    record_ids: Iterable[str], rows: Iterable[list[Encoded]], stops: set[int], maximum_tokens: int
) -> pl.DataFrame:
    """Token counts of rows that are encoded once, or twice for the two answers of a preference.

    A preference has the tokens of its longer side and the trained tokens of the side with fewer; its stop token counts
    as trained if it is on both sides. Tokens beyond ``maximum_tokens`` are not trained.
    """
    counts = [
        (
            record_id,
            max(len(side.ids) for side in sides),
            min(len(side.ids[side.start : maximum_tokens]) for side in sides),
            all(not stops.isdisjoint(side.ids[side.start : maximum_tokens]) for side in sides),
            max(len(side.ids) for side in sides) > maximum_tokens,
        )
        for record_id, sides in zip(record_ids, rows, strict=True)
    ]
    return pl.DataFrame(counts, schema=SCHEMA, orient="row")


def encode_rows(tokenizer: Any, rows: pl.DataFrame) -> list[list[Encoded]]:
    """Each row's encodings: one for a text or conversation, two for a preference."""
    if "text" in rows.columns:
        return [[one] for one in encode_texts(tokenizer, rows["text"].to_list())]
    prompts = rows["prompt"].to_list()
    chosen = encode_pairs(tokenizer, prompts, rows["completion"].to_list())
    if "rejected" not in rows.columns:
        return [[one] for one in chosen]
    rejected = encode_pairs(tokenizer, prompts, rows["rejected"].to_list())
    starts = [min(one.start, other.start) for one, other in zip(chosen, rejected, strict=True)]
    return [
        [Encoded(one.ids, start), Encoded(other.ids, start)]
        for one, other, start in zip(chosen, rejected, starts, strict=True)
    ]


def run(task: CountTokens, log: Log) -> TokenCounts:
    """Count the tokens of every row, a chunk at a time."""
    model = Path(task.model)
    tokenizer = load_tokenizer(model)
    stops = set(stop_token_ids(model, tokenizer.eos_token_id))
    rows = pl.read_parquet(task.rows)
    parts = [pl.DataFrame(schema=SCHEMA)]
    for chunk in rows.iter_slices(CHUNK):
        parts.append(account(chunk["record_id"], encode_rows(tokenizer, chunk), stops, task.maximum_tokens))
    counts = pl.concat(parts)
    path = Path(task.output) / "counts.parquet"
    counts.write_parquet(path)
    log(f"counted the tokens of {counts.height} rows")
    return TokenCounts(counts=str(path), rows=counts.height)
