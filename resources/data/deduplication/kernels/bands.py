"""Compiled kernels over hashes of shingles: signatures, keys of their bands, the pairs that share one, Jaccard."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fineline.resources.data.deduplication.kernels.compiled import compiled, power_of_two

Array = npt.NDArray[Any]
U64 = np.uint64
ODD = U64(0x9E3779B97F4A7C15)


@compiled
def sketch_rows(hashes: Array, bounds: Array, a: Array, b: Array, signatures: Array) -> None:
    """Fill ``signatures`` with datasketch's MinHash values of each row, ``hashes[bounds[r]:bounds[r + 1]]``."""
    mixed = np.empty(4, np.uint32)
    for row in range(bounds.size - 1):
        last = bounds[row + 1] - 1
        signature = signatures[row]
        signature[:] = np.uint32(0xFFFFFFFF)
        for first in range(bounds[row], last + 1, 4):
            for lane in range(4):
                h = np.uint32(hashes[min(first + lane, last)])
                h = np.uint32((h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B))
                h = np.uint32((h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35))
                mixed[lane] = h ^ (h >> np.uint32(16))
            h0, h1, h2, h3 = mixed[0], mixed[1], mixed[2], mixed[3]
            for k in range(a.size):
                low = min(np.uint32(a[k] * h0 + b[k]), np.uint32(a[k] * h1 + b[k]))
                other = min(np.uint32(a[k] * h2 + b[k]), np.uint32(a[k] * h3 + b[k]))
                signature[k] = min(signature[k], min(low, other))


@compiled
def band_keys(signatures: Array, rows: int, keys: Array) -> None:
    """Fill ``keys`` with an even hash of each band of ``rows`` values of each signature."""
    for record in range(signatures.shape[0]):
        for band in range(keys.shape[1]):
            h = ODD
            for k in range(band * rows, (band + 1) * rows):
                h = (h ^ U64(signatures[record, k])) * U64(0xFF51AFD7ED558CCD)
                h ^= h >> U64(32)
            keys[record, band] = h << U64(1)


@compiled
def candidates_of_band(
    keys: Array, order: Array, sizes: Array, threshold: float, leaders: int, first: int, band: int
) -> tuple[Array, Array]:
    """Pairs of positions in ``order`` that share this band and none from ``first`` to it: left < right.

    The first ``leaders`` of a bucket are paired with all its members. Pairs are left out whose sizes alone
    say that they are not similar. Keys are even; those of rows that do not lead their bucket become odd here,
    so that later bands know which pairs this one did not give.
    """
    count = order.size
    slots = power_of_two(2 * count)
    mask = U64(slots - 1)
    lefts, rights = np.empty(1024, np.uint32), np.empty(1024, np.uint32)
    found = 0
    # Of a bucket: its latest leader and how many it has; of a leader: the one before it.
    latest = np.full(slots, -1, np.int32)
    members = np.zeros(slots, np.int32)
    before = np.empty(count, np.int32)
    column = np.empty(count, np.uint64)
    for right in range(count):
        column[right] = keys[order[right], band]
    for right in range(count):
        key = column[right]
        slot = (key * ODD) >> U64(20) & mask
        while latest[slot] >= 0 and column[latest[slot]] != key:
            slot = (slot + U64(1)) & mask
        left = latest[slot]
        while left >= 0:
            new = True
            earlier = first
            while new and earlier < band:
                new = keys[order[left], earlier] != keys[order[right], earlier] & ~U64(1)
                earlier += 1
            small, large = sizes[order[left]], sizes[order[right]]
            if small > large:
                small, large = large, small
            if new and small / large >= threshold:
                if found == lefts.size:
                    lefts = np.concatenate((lefts, np.empty(found, np.uint32)))
                    rights = np.concatenate((rights, np.empty(found, np.uint32)))
                lefts[found], rights[found] = left, right
                found += 1
            left = before[left]
        if members[slot] < leaders:
            before[right] = latest[slot]
            latest[slot] = right
            members[slot] += 1
        else:
            keys[order[right], band] |= U64(1)
    return lefts[:found].copy(), rights[:found].copy()


@compiled
def jaccard(hashes: Array, bounds: Array, lefts: Array, rights: Array) -> Array:
    """The Jaccard coefficients of pairs of rows, whose distinct values are ``hashes[bounds[r]:bounds[r + 1]]``.

    Fastest where pairs of one left row stand together.
    """
    largest = 0
    for row in range(bounds.size - 1):
        largest = max(largest, bounds[row + 1] - bounds[row])
    table = np.empty(power_of_two(4 * largest), np.uint64)
    similarities = np.empty(lefts.size, np.float64)
    mask = U64(0)
    held: Any = -1
    for pair in range(lefts.size):
        left, right = lefts[pair], rights[pair]
        if left != held:
            held = left
            # Few slots stay in the processor's cache, four a value rarely meet; no value is zero.
            used = power_of_two(4 * (bounds[left + 1] - bounds[left]))
            table[:used] = U64(0)
            mask = U64(used - 1)
            for i in range(bounds[left], bounds[left + 1]):
                slot = hashes[i] & mask
                while table[slot] != 0:
                    slot = (slot + U64(1)) & mask
                table[slot] = hashes[i]
        shared = 0
        for i in range(bounds[right], bounds[right + 1]):
            value = hashes[i]
            slot = value & mask
            while table[slot] != value and table[slot] != 0:
                slot = (slot + U64(1)) & mask
            shared += table[slot] == value
        either = bounds[left + 1] - bounds[left] + bounds[right + 1] - bounds[right] - shared
        similarities[pair] = shared / either
    return similarities
