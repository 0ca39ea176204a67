"""Shingles, the runs of units by which texts are compared, and the Jaccard similarity of their sets.

A unit is a word between spaces; in scripts without spaces (Chinese, Japanese, Thai, Khmer, …) it is a character with
its marks, and in code a word also ends after a bracket or an operator. The functions of this module are the plain
Python reference of the kernels that :class:`ShingleSets` uses.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from fineline.resources.data.deduplication.buffers import Texts, in_slices
from fineline.resources.data.deduplication.kernels import bands as band_kernels
from fineline.resources.data.deduplication.kernels.characters import CODE, SINGLE, SPACE, WORD, characters, kind_of
from fineline.resources.data.deduplication.kernels.text import shingle_rows

# Pairs that a thread compares in one call.
PAIRS_AT_ONCE = 16_384


def units(normalised: str) -> list[tuple[int, int]]:
    """The start and end of each unit of a normalised text."""
    found: list[list[int]] = []
    inside = single = after_code = False
    for at, character in enumerate(normalised):
        kind = kind_of(character)
        if kind == SPACE:
            inside = False
            continue
        if not inside or kind == SINGLE or (kind == WORD and (single or after_code)):
            found.append([at, at])
            inside, single, after_code = True, kind == SINGLE, False
        else:
            after_code = kind == CODE
        found[-1][1] = at + 1
    return [(start, end) for start, end in found]


def shingles(normalised: str, words: int) -> set[str]:
    """The distinct runs of ``words`` units; a shorter text is its own single shingle.

    Short texts are therefore either equal or share nothing: none is ever a near-duplicate of another text.
    """
    found = units(normalised)
    if len(found) < words or not found:
        return {normalised}
    return {normalised[start:end] for (start, _), (_, end) in zip(found, found[words - 1 :], strict=False)}


@dataclass(frozen=True)
class ShingleSets:
    """The shingles of texts as 64-bit hashes (XXH64): row r has ``hashes[bounds[r]:bounds[r + 1]]``.

    Two different shingles of a pair have the same hash with a probability of about 1 in 10^14, even where both texts
    have hundreds of shingles.
    """

    hashes: npt.NDArray[np.uint64]
    bounds: npt.NDArray[np.int64]

    @classmethod
    def of(cls, texts: pl.Series, words: int) -> "ShingleSets":
        """The sets of texts that are not normalised yet."""
        kind = characters().kind

        def hashed(part: Texts) -> ShingleSets:
            return cls(*shingle_rows(part.data, part.offsets, words, kind))

        return cls.join(in_slices(texts, hashed))

    @classmethod
    def join(cls, parts: Iterable["ShingleSets"]) -> "ShingleSets":
        """The rows of several parts in one object, in the order of the parts."""
        hashes, sizes = [np.empty(0, np.uint64)], [np.zeros(1, np.int64)]
        for part in parts:
            hashes.append(part.hashes)
            sizes.append(np.diff(part.bounds))
        return cls(np.concatenate(hashes), np.concatenate(sizes).cumsum())

    def jaccard(self, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """The Jaccard coefficient of each pair of rows, ``left[i]`` with ``right[i]``."""
        starts = range(0, len(left), PAIRS_AT_ONCE)

        def of_slice(start: int) -> npt.NDArray[np.float64]:
            pairs = slice(start, start + PAIRS_AT_ONCE)
            similarities: npt.NDArray[np.float64] = band_kernels.jaccard(
                self.hashes, self.bounds, left[pairs], right[pairs]
            )
            return similarities

        with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
            return np.concatenate([np.empty(0), *threads.map(of_slice, starts)])
