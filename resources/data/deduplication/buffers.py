"""Normalised texts as one buffer of UTF-8 bytes with offsets, the form that the kernels read."""

import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from fineline.resources.data.deduplication.kernels.characters import characters
from fineline.resources.data.deduplication.kernels.normalisation import normalise_rows, normalised_lengths
from fineline.resources.data.deduplication.kernels.text import PADDING

T = TypeVar("T")
# Texts that a thread takes at once: about as many as the processor caches hold.
ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Texts:
    """Normalised texts: row r is the UTF-8 bytes ``data[offsets[r]:offsets[r + 1]]``.

    After the last row come ``PADDING`` bytes that kernels may read.
    """

    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]

    @property
    def rows(self) -> int:
        """The number of texts."""
        return self.offsets.size - 1


def normalise(text: str) -> str:
    """The form of a text that is compared: NFKC, case folded, each run of white space replaced by one space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def normalise_all(texts: pl.Series) -> Texts:
    """``normalise`` of every text. Kernels do most; Python does rare scripts and characters that join others.

    Raises:
        ValueError: a text is null.
    """
    data, offsets = _buffers(texts)
    tables = characters()
    lengths = normalised_lengths(data, offsets, tables.length)
    whole = lengths < 0
    if whole.any():
        rows = np.flatnonzero(whole)
        forms = pl.Series([normalise(text) for text in texts.gather(rows)], dtype=pl.String)
        data, offsets = _buffers(texts.clone().scatter(rows, forms))
        lengths[rows] = np.diff(offsets)[rows]
    normalised = np.empty(int(lengths.sum()) + PADDING, dtype=np.uint8)
    bounds = np.empty_like(offsets)
    normalise_rows(data, offsets, whole, tables.start, tables.length, tables.pool, normalised, bounds)
    return Texts(normalised, bounds)


def in_slices(texts: pl.Series, work: Callable[[Texts], T]) -> Iterator[T]:
    """The results of ``work`` on slices of the texts, in their order, computed on as many threads as polars uses.

    No texts are one empty slice.
    """
    starts = range(0, max(texts.len(), 1), ROWS_AT_ONCE)

    def of_slice(start: int) -> T:
        return work(normalise_all(texts.slice(start, ROWS_AT_ONCE)))

    with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
        yield from threads.map(of_slice, starts)


def _buffers(texts: pl.Series) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    array = texts.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    assert isinstance(array, pa.LargeStringArray)
    _, offsets, data = array.buffers()
    if array.null_count:
        raise ValueError("A text is null; deduplication needs the text of every record.")
    bounds = (
        np.zeros(1, np.int64) if not len(array) else np.frombuffer(offsets, np.int64, len(array) + 1, 8 * array.offset)
    )
    return np.frombuffer(data or b"", np.uint8), bounds
