"""The true similarity of candidates: the Jaccard coefficient of their shingle sets."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from fineline.resources.data.deduplication.buffers import Texts, in_slices
from fineline.resources.data.deduplication.kernels import bands as band_kernels
from fineline.resources.data.deduplication.kernels.characters import characters
from fineline.resources.data.deduplication.kernels.text import shingle_rows

# Pairs that a thread takes at once.
PAIRS_AT_ONCE = 16_384


@dataclass(frozen=True)
class ShingleSets:
    """The shingles of texts as 64-bit hashes (XXH64): row r has ``hashes[bounds[r]:bounds[r + 1]]``.

    Two different shingles of a pair have one hash with a probability of about 1 in 10^14 even where both have
    hundreds of shingles.
    """

    hashes: npt.NDArray[np.uint64]
    bounds: npt.NDArray[np.int64]

    @classmethod
    def of(cls, texts: pl.Series, words: int) -> "ShingleSets":
        """The sets of texts that are not normalised yet."""
        kind = characters().kind

        def made(part: Texts) -> ShingleSets:
            return cls(*shingle_rows(part.data, part.offsets, words, kind))

        return cls.join(in_slices(texts, made))

    @classmethod
    def join(cls, parts: Iterable["ShingleSets"]) -> "ShingleSets":
        """The sets of several parts, one after the other."""
        hashes, sizes = [np.empty(0, np.uint64)], [np.zeros(1, np.int64)]
        for part in parts:
            hashes.append(part.hashes)
            sizes.append(np.diff(part.bounds))
        return cls(np.concatenate(hashes), np.concatenate(sizes).cumsum())

    def jaccard(self, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """The Jaccard coefficient of each pair of rows."""
        starts = range(0, len(left), PAIRS_AT_ONCE)

        def of_slice(start: int) -> npt.NDArray[np.float64]:
            pairs = slice(start, start + PAIRS_AT_ONCE)
            similarities: npt.NDArray[np.float64] = band_kernels.jaccard(
                self.hashes, self.bounds, left[pairs], right[pairs]
            )
            return similarities

        with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
            return np.concatenate([np.empty(0), *threads.map(of_slice, starts)])
