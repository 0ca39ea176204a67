"""Compiled kernels over normalised texts: cut into units, hash shingles, describe.

Strings are the bytes of all of them and offsets, row r being ``data[offsets[r]:offsets[r + 1]]``.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from fineline.resources.data.deduplication.kernels.characters import CODE, SINGLE, SPACE, TABLE_END, WORD
from fineline.resources.data.deduplication.kernels.compiled import (
    HIGH_BITS,
    LOW_BITS,
    code_point,
    compiled,
    load8,
    load32,
    load64,
    power_of_two,
    trailing_zeros,
)

Array = npt.NDArray[Any]
U64 = np.uint64
P1, P2, P3 = U64(0x9E3779B185EBCA87), U64(0xC2B2AE3D27D4EB4F), U64(0x165667B19E3779F9)
P4, P5 = U64(0x85EBCA77C2B2AE63), U64(0x27D4EB2F165667C5)
BEYOND = 0x40000
PADDING = 32


@compiled
def _rotate(value: Any, bits: int) -> Any:
    return (value << U64(bits)) | (value >> U64(64 - bits))


@compiled
def _round(accumulator: Any, value: Any) -> Any:
    return _rotate(accumulator + value * P2, 31) * P1


@compiled
def xxh64(text: int, start: int, end: int, seed: Any) -> Any:
    """XXH64 of the bytes from start to end behind a pointer, as xxhash.xxh64_intdigest gives it.

    Reads, but does not use, up to ``PADDING`` bytes behind the end.
    """
    length = end - start
    at = start
    if length >= 32:
        v1, v2, v3, v4 = seed + P1 + P2, seed + P2, seed, seed - P1
        while at <= end - 32:
            v1 = _round(v1, load64(text, at))
            v2 = _round(v2, load64(text, at + 8))
            v3 = _round(v3, load64(text, at + 16))
            v4 = _round(v4, load64(text, at + 24))
            at += 32
        h = _rotate(v1, 1) + _rotate(v2, 7) + _rotate(v3, 12) + _rotate(v4, 18)
        h = (h ^ _round(U64(0), v1)) * P1 + P4
        h = (h ^ _round(U64(0), v2)) * P1 + P4
        h = (h ^ _round(U64(0), v3)) * P1 + P4
        h = (h ^ _round(U64(0), v4)) * P1 + P4
    else:
        h = seed + P5
    h += U64(length)
    # Of the up to 31 bytes that are left each part is taken up by a mask: their number differs from shingle to
    # shingle, and a branch that is guessed wrong costs more than the part itself.
    rest = end - at
    for part in range(3):
        mask = U64(0) - U64(rest >= 8 * part + 8)
        taken = _rotate(h ^ _round(U64(0), load64(text, at + 8 * part)), 27) * P1 + P4
        h = (taken & mask) | (h & ~mask)
    at += rest & 24
    mask = U64(0) - U64((rest & 4) != 0)
    taken = _rotate(h ^ (U64(load32(text, at)) * P1), 23) * P2 + P3
    h = (taken & mask) | (h & ~mask)
    at += rest & 4
    for part in range(3):
        mask = U64(0) - U64((rest & 3) > part)
        taken = _rotate(h ^ (U64(load8(text, at + part)) * P5), 11) * P1
        h = (taken & mask) | (h & ~mask)
    h = (h ^ (h >> U64(33))) * P2
    h = (h ^ (h >> U64(29))) * P3
    return h ^ (h >> U64(32))


@compiled
def _spaces(eight: Any) -> Any:
    """0x80 for each of eight bytes that is a space."""
    other = eight ^ (LOW_BITS * U64(32))
    return ~(((other & ~HIGH_BITS) + ~HIGH_BITS) | other) & HIGH_BITS


@compiled
def _cut(text: int, at: int, end: int, kind: Array, starts: Array) -> Any:
    """Fill ``starts`` with where the units of a normalised text begin, and its end; gives how many units they are."""
    units: Any = 0
    inside, single, after_code = False, False, False
    while at < end:
        # Eight letters, digits, spaces and plain marks at once: a unit begins where there is no space behind one.
        while at + 8 <= end and not (single | after_code):
            rare = np.uint8(0)
            for i in range(8):
                rare |= kind[load8(text, at + i)]
            if rare & CODE or load64(text, at) & HIGH_BITS != 0:
                break
            spaces = _spaces(load64(text, at))
            new = ~spaces & (spaces << U64(8) | U64(0 if inside else 0x80)) & HIGH_BITS
            for _ in range(4):
                starts[units] = at + (trailing_zeros(new) >> 3)
                units += np.int64(new != 0)
                new &= new - U64(1)
            inside = spaces >> U64(63) == 0
            at += 8
        # As in normalise_rows, without branches on what a character is.
        run = min(at + 8, end)
        while at < run and load8(text, at) < 0x80:
            what = kind[load8(text, at)]
            new = (what != SPACE) & ((not inside) | ((what == WORD) & (single | after_code)))
            starts[units] = at
            units += np.int64(new)
            after_code = (what == CODE) & inside & (not new)
            single &= not new
            inside = what != SPACE
            at += 1
        if at == run:
            continue
        code, size = code_point(text, at)
        beyond = np.uint8(SINGLE) if code < BEYOND else np.uint8(WORD)
        what = kind[code] if code < TABLE_END else beyond
        if not inside or what == SINGLE or (what == WORD and (single or after_code)):
            starts[units] = at
            units += 1
            single, inside = what == SINGLE, True
        after_code = False
        at += size
    starts[units] = end
    return units


@compiled
def _distinct_shingles(
    text: int, begin: int, end: int, words: int, kind: Array, starts: Array, table: Array, hashes: Array
) -> int:
    """Fill ``hashes`` with the distinct XXH64 values of a text's shingles; gives how many they are.

    ``table`` is scratch of a power of two, at least four times as many as units; of it only as much is used as
    the text needs, which stays in the processor's cache.
    """
    units = _cut(text, begin, end, kind, starts)
    if units < words or units == 0:
        whole = xxh64(text, begin, end, U64(0))
        hashes[0] = whole + U64(whole == 0)
        return 1
    slots = power_of_two(4 * units)
    table[:slots] = U64(0)
    mask = U64(slots - 1)
    found = 0
    for unit in range(units - words + 1):
        # A unit ends where the next begins, or at the space before it.
        after = starts[unit + words]
        value = xxh64(text, starts[unit], after - np.int64(load8(text, after - 1) == 32), U64(0))
        # Zero marks an empty slot.
        value += U64(value == 0)
        slot = value & mask
        while table[slot] != value and table[slot] != 0:
            slot = (slot + U64(1)) & mask
        if table[slot] == 0:
            table[slot] = value
            hashes[found] = value
            found += 1
    return found


@compiled
def shingle_rows(data: Array, offsets: Array, words: int, kind: Array) -> tuple[Array, Array]:
    """The distinct XXH64 values of the shingles of all rows, row after row, and where each row's begin."""
    text = data.ctypes.data
    longest = 0
    for row in range(offsets.size - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    # A unit has at least one byte, and an empty text one shingle.
    starts = np.empty(longest + 1, np.int64)
    table = np.empty(power_of_two(4 * longest), np.uint64)
    hashes = np.empty(data.size + offsets.size, np.uint64)
    bounds = np.zeros(offsets.size, np.int64)
    for row in range(offsets.size - 1):
        begin, end, first = offsets[row], offsets[row + 1], bounds[row]
        bounds[row + 1] = first + _distinct_shingles(text, begin, end, words, kind, starts, table, hashes[first:])
    return hashes[: bounds[-1]].copy(), bounds


@compiled
def describe_rows(data: Array, offsets: Array, digests: Array, characters: Array, words: Array) -> None:
    """Fill in the hexadecimal digits of each normalised row's content hash, its characters and its words."""
    text = data.ctypes.data
    for row in range(offsets.size - 1):
        start, end = offsets[row], offsets[row + 1]
        for half in range(2):
            value = xxh64(text, start, end, U64(half + 1))
            for digit in range(16):
                four = (value >> U64(60 - 4 * digit)) & U64(15)
                digests[row, 16 * half + digit] = four + U64(48) if four < U64(10) else four + U64(87)
        at = start
        marks: Any = 0
        spaces: Any = 0
        while at + 8 <= end:
            eight = load64(text, at)
            # One bit a byte: bytes within a character are 10xxxxxx.
            within = (eight >> U64(7)) & ~(eight >> U64(6)) & LOW_BITS
            marks += np.int64((within * LOW_BITS) >> U64(56))
            spaces += np.int64(((_spaces(eight) >> U64(7)) * LOW_BITS) >> U64(56))
            at += 8
        while at < end:
            byte = load8(text, at)
            marks += (byte & 0xC0) == 0x80
            spaces += byte == 32
            at += 1
        characters[row] = end - start - marks
        words[row] = spaces + (end > start)
