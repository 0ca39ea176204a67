"""How much of a text repeats itself, word by word: Gopher's shares of characters in repeated n-grams."""

import numpy as np
import numpy.typing as npt
import polars as pl

from fineline.resources.data.quality.measures import WORD

# Rae et al.: Scaling Language Models (Gopher), 2021, table A1.
TOP = (2, 3, 4)
REPEATED = (5, 6, 7, 8, 9, 10)
BASE = np.uint64(0x9E3779B97F4A7C15)

Numbers = npt.NDArray[np.int64]


def repetition(texts: pl.Series) -> pl.DataFrame:
    """Shares (0 to 1) of each text's characters without white space, one row a text.

    ``top_2gram_characters`` to ``top_4gram_characters``: in all places of the n-gram that takes most room, 0
    where it stands once. ``repeated_5gram_characters`` to ``repeated_10gram_characters``: in n-grams that have
    stood before, each character once.
    """
    words = texts.str.to_lowercase().str.extract_all(WORD)
    counts = words.list.len().fill_null(0).to_numpy().astype(np.int64)
    flat = words.explode(empty_as_null=False, keep_nulls=False)
    hashes, lengths = flat.hash().to_numpy(), flat.str.len_chars().to_numpy().astype(np.int64)
    row = np.repeat(np.arange(len(counts)), counts)
    end = np.repeat(np.cumsum(counts), counts)
    total = np.bincount(row, weights=lengths, minlength=len(counts))
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    position = np.arange(len(hashes))
    # Runs of different texts never have the same hash.
    run = row.astype(np.uint64)
    shares = {}
    for size in range(1, max(REPEATED) + 1):
        there = position + size - 1
        run = run * BASE + hashes[np.minimum(there, len(hashes) - 1)]
        if size not in TOP + REPEATED:
            continue
        starts = position[there < end]
        runs = pl.DataFrame({"run": run[starts], "row": row[starts], "start": starts})
        if size in TOP:
            taken = _top(runs, before, size, len(counts))
        else:
            taken = _covered(runs, row, lengths, size, len(counts))
        name = f"{'top' if size in TOP else 'repeated'}_{size}gram_characters"
        # Places of one n-gram may overlap, as in "ha ha ha".
        shares[name] = np.divide(taken, total, out=np.zeros(len(counts)), where=total > 0).clip(max=1.0)
    return pl.DataFrame(shares)


def _top(runs: pl.DataFrame, before: Numbers, size: int, texts: int) -> npt.NDArray[np.float64]:
    """Characters of the places of the n-gram that takes most room in each text."""
    repeated = runs.filter(pl.col("run").is_duplicated())
    start = repeated["start"].to_numpy()
    room = (
        repeated.with_columns(length=before[start + size] - before[start])
        .group_by("row", "run")
        .agg(pl.sum("length"))
        .group_by("row")
        .agg(pl.max("length"))
    )
    taken = np.zeros(texts)
    taken[room["row"].to_numpy()] = room["length"].to_numpy()
    return taken


def _covered(runs: pl.DataFrame, row: Numbers, lengths: Numbers, size: int, texts: int) -> npt.NDArray[np.float64]:
    """Characters of words that are inside n-grams which have stood before in the same text."""
    starts = runs.filter(~pl.col("run").is_first_distinct())["start"].to_numpy()
    edges = np.zeros(len(row) + 1, dtype=np.int64)
    np.add.at(edges, starts, 1)
    np.add.at(edges, starts + size, -1)
    inside = np.cumsum(edges)[: len(row)] > 0
    return np.bincount(row, weights=lengths * inside, minlength=texts).astype(np.float64)
