"""Locality-sensitive hashing: records whose signatures agree in a whole band are candidates."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import polars as pl

from fineline.resources.data.deduplication.kernels import bands as band_kernels

# A pair whose similarity equals the threshold shares a band with at least this probability.
CANDIDATE_RECALL = 0.98
# Each member of a bucket is compared with at most this many of its first members, so that the pairs of a bucket grow
# linearly. In buckets of up to this size, all are compared with all.
BUCKET_LEADERS = 256


def rows_per_band(threshold: float, permutations: int) -> int:
    """The most rows a band may have for ``CANDIDATE_RECALL`` at the threshold, at least 1.

    A pair of similarity s shares one of b bands of r rows with probability 1 - (1 - s^r)^b (Leskovec,
    Rajaraman, Ullman: Mining of Massive Datasets, section 3.4.2).
    """
    recalls = {rows: 1 - (1 - threshold**rows) ** (permutations // rows) for rows in range(1, permutations + 1)}
    return max((rows for rows, recall in recalls.items() if recall >= CANDIDATE_RECALL), default=1)


def band_keys(signatures: pl.Series, threshold: float, permutations: int) -> npt.NDArray[np.uint64]:
    """A hash of each band of each signature, one row a record; ``signatures`` are lists of unsigned integers.

    Raises:
        ValueError: signatures have another number of permutations.
    """
    if (signatures.list.len() != permutations).any():
        raise ValueError(
            f"Signatures do not have the {permutations} values that the recipe asks for; sign all batches again."
        )
    rows = rows_per_band(threshold, permutations)
    values = signatures.explode(empty_as_null=False).to_numpy().reshape(-1, permutations)
    keys = np.empty((len(signatures), permutations // rows), dtype=np.uint64)
    band_kernels.band_keys(values, rows, keys)
    return keys


def candidates(
    keys: npt.NDArray[np.uint64],
    order: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.uint32],
    threshold: float,
    report: Callable[[int, int], None] | None = None,
) -> pl.DataFrame:
    """Distinct pairs of positions in ``order`` (row numbers of ``keys``) that agree in a band: left < right, sorted.

    In a bucket of more than ``BUCKET_LEADERS`` records only the first that many are paired with all, so ``order`` must
    begin with the records that should represent others. ``sizes`` are the numbers of distinct shingles; pairs whose
    sizes rule the threshold out are skipped. Overwrites ``keys``. ``report`` gets (bands done, bands).
    """
    bands = keys.shape[1]
    cores = min(pl.thread_pool_size(), bands)
    done = itertools.count(1)

    def of_group(group: int) -> npt.NDArray[np.uint64]:
        """The pairs of the bands that this core compares, each as one number: left in the upper 32 bits."""
        first, stop = group * bands // cores, (group + 1) * bands // cores
        found = [np.empty(0, np.uint64)]
        for band in range(first, stop):
            left, right = band_kernels.candidates_of_band(keys, order, sizes, threshold, BUCKET_LEADERS, first, band)
            found.append(left.astype(np.uint64) << np.uint64(32) | right)
            if report is not None:
                report(next(done), bands)
        return np.concatenate(found)

    with ThreadPoolExecutor(cores) as threads:
        pairs = np.sort(np.concatenate([*threads.map(of_group, range(cores))]))
    pairs = pairs[np.diff(pairs, prepend=np.uint64(0)) != 0]
    return pl.DataFrame({"left": (pairs >> np.uint64(32)).astype(np.uint32), "right": pairs.astype(np.uint32)})


def members(pairs: pl.DataFrame) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The rows of all pairs, sorted and distinct, and the positions of each pair's left and right row among them."""
    left, right = pairs["left"].to_numpy(), pairs["right"].to_numpy()
    place = np.zeros(int(right.max(initial=0)) + 1, dtype=np.int64)
    place[left] = place[right] = 1
    rows = np.flatnonzero(place)
    place[rows] = np.arange(rows.size)
    return rows, place[left], place[right]
