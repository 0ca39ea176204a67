"""N-gram hashes, and how much of a text repeats itself: Gopher's shares of characters in repeated n-grams."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import polars as pl

from fineline.resources.data.quality.measures import WORD

# Rae et al.: Scaling Language Models (Gopher), 2021, table A1.
TOP = (2, 3, 4)
REPEATED = (5, 6, 7, 8, 9, 10)
# 2^64 divided by the golden ratio. Odd, so that no multiplication loses a bit, and has an inverse modulo 2^64.
BASE = np.uint64(0x9E3779B97F4A7C15)
INVERSE = np.uint64(pow(int(BASE), -1, 2**64))

Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]


def ngram_hashes(words: Hashes) -> Callable[[Rows, Rows], Hashes]:
    """A function of first and end that hashes each run ``words[first:end]``; ``words`` are the hashes of words.

    The hash is a polynomial of the words, modulo 2^64, in which the last word has factor 1.
    """
    powers = _powers(BASE, len(words))
    # The difference of two prefix sums, multiplied so that the last word of the run has factor 1.
    sums = np.concatenate([[np.uint64(0)], np.cumsum(words * _powers(INVERSE, len(words)))])

    def of(first: Rows, end: Rows) -> Hashes:
        hashes: Hashes = (sums[end] - sums[first]) * powers[end - 1]
        return hashes

    return of


def repetition(texts: pl.Series) -> pl.DataFrame:
    """Shares (0 to 1) of each text's characters without white space, one row a text.

    ``top_2gram_characters`` to ``top_4gram_characters``: in all places of the n-gram that covers most characters; 0
    if it occurs once. ``repeated_5gram_characters`` to ``repeated_10gram_characters``: in n-grams that occurred
    before, each character counted once.
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
    # The text's number takes part in the hash, so that one text does not repeat another.
    hash_of = ngram_hashes(hashes + row.astype(np.uint64) * BASE)
    shares = {}
    for size in TOP + REPEATED:
        starts = position[position + size <= end]
        runs = pl.DataFrame({"run": hash_of(starts, starts + size), "row": row[starts], "start": starts})
        if size in TOP:
            taken = _top(runs, before, size, len(counts))
        else:
            taken = _covered(runs, row, lengths, size, len(counts))
        name = f"{'top' if size in TOP else 'repeated'}_{size}gram_characters"
        # Occurrences of one n-gram may overlap, as in "ha ha ha".
        shares[name] = np.divide(taken, total, out=np.zeros(len(counts)), where=total > 0).clip(max=1.0)
    return pl.DataFrame(shares)


def _top(runs: pl.DataFrame, before: Rows, size: int, texts: int) -> npt.NDArray[np.float64]:
    """The characters, in each text, of all places of the n-gram that covers most."""
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


def _covered(runs: pl.DataFrame, row: Rows, lengths: Rows, size: int, texts: int) -> npt.NDArray[np.float64]:
    """The characters, in each text, of words inside n-grams that occurred before in it."""
    starts = runs.filter(~pl.col("run").is_first_distinct())["start"].to_numpy()
    edges = np.zeros(len(row) + 1, dtype=np.int64)
    np.add.at(edges, starts, 1)
    np.add.at(edges, starts + size, -1)
    inside = np.cumsum(edges)[: len(row)] > 0
    return np.bincount(row, weights=lengths * inside, minlength=texts).astype(np.float64)


def _powers(of: np.uint64, number: int) -> Hashes:
    """The first powers of a number modulo 2^64, from its power 0."""
    return np.cumprod(np.concatenate([[np.uint64(1)], np.full(max(number - 1, 0), of)]), dtype=np.uint64)
