"""Machine code over string buffers: normalise, cut into units, hash shingles, permute, compare.

Strings come as the bytes of all of them and offsets, row r being ``data[offsets[r]:offsets[r + 1]]``. Kernels that
call each other stand in one file, since numba notices changes of a file only.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from fineline.resources.data.deduplication.kernels.characters import CODE, SINGLE, SPACE, TABLE_END, WORD
from fineline.resources.data.deduplication.kernels.compiled import (
    compiled,
    load8,
    load32,
    load64,
    store8,
    trailing_zeros,
)

Array = npt.NDArray[Any]
U64 = np.uint64
P1, P2, P3 = U64(0x9E3779B185EBCA87), U64(0xC2B2AE3D27D4EB4F), U64(0x165667B19E3779F9)
P4, P5 = U64(0x85EBCA77C2B2AE63), U64(0x27D4EB2F165667C5)
HIGH_BITS, LOW_BITS = U64(0x8080808080808080), U64(0x0101010101010101)
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
def _code_point(text: int, at: int) -> Any:
    """The code point that begins at a byte over 0x7F, and its bytes."""
    lead = np.int64(load8(text, at))
    second = np.int64(load8(text, at + 1)) & 0x3F
    if lead < 0xE0:
        return (lead & 0x1F) << 6 | second, 2
    third = np.int64(load8(text, at + 2)) & 0x3F
    if lead < 0xF0:
        return (lead & 0x0F) << 12 | second << 6 | third, 3
    return (lead & 0x07) << 18 | second << 12 | third << 6 | (np.int64(load8(text, at + 3)) & 0x3F), 4


@compiled
def normalised_lengths(data: Array, offsets: Array, length: Array) -> Array:
    """For each row, bytes enough for its normalised form; -1 where only the whole text can be normalised."""
    text = data.ctypes.data
    needed = np.empty(offsets.size - 1, np.int64)
    for row in range(needed.size):
        at, end, total = offsets[row], offsets[row + 1], 0
        while at < end:
            while at + 8 <= end and load64(text, at) & HIGH_BITS == 0:
                at += 8
                total += 8
            if at == end:
                break
            if load8(text, at) < 0x80:
                at += 1
                total += 1
            else:
                code, size = _code_point(text, at)
                if code >= TABLE_END or length[code] < 0:
                    total = -1
                    break
                total += length[code]
                at += size
        needed[row] = total
    return needed


@compiled
def normalise_rows(
    data: Array,
    offsets: Array,
    verbatim: Array,
    start: Array,
    length: Array,
    pool: Array,
    made: Array,
    made_offsets: Array,
) -> None:
    """Fill ``made`` with the normalised rows, one after the other, and ``made_offsets`` with where they lie.

    Rows marked ``verbatim`` are normalised already.
    """
    text, out = data.ctypes.data, made.ctypes.data
    plain = np.zeros(256, np.uint8)
    for byte in range(128):
        plain[byte] = byte + 32 if 65 <= byte <= 90 else byte
        if 9 <= byte <= 13 or 28 <= byte <= 31:
            plain[byte] = 32
    to = 0
    made_offsets[0] = 0
    for row in range(offsets.size - 1):
        at, end, begin = offsets[row], offsets[row + 1], to
        if verbatim[row]:
            for i in range(at, end):
                store8(out, to, load8(text, i))
                to += 1
            made_offsets[row + 1] = to
            continue
        # What is written last is a space: a space after it is written, but the next byte takes its place.
        space: Any = 1
        while at < end:
            run = at
            while run + 8 <= end and load64(text, run) & HIGH_BITS == 0:
                run += 8
            while run < end and load8(text, run) < 0x80:
                run += 1
            # Without a branch on spaces, which the processor would guess wrong once a word.
            for i in range(at, run):
                form = plain[load8(text, i)]
                store8(out, to, form)
                is_space = np.int64(form == 32)
                to += 1 - (is_space & space)
                space = is_space
            at = run
            if at < end:
                code, size = _code_point(text, at)
                at += size
                for i in range(start[code], start[code] + length[code]):
                    store8(out, to, pool[i])
                    is_space = np.int64(pool[i] == 32)
                    to += 1 - (is_space & space)
                    space = is_space
        to -= space & (to > begin)
        made_offsets[row + 1] = to


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
        code, size = _code_point(text, at)
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
    slots = _power_of_two(4 * units)
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
def _largest(offsets: Array) -> int:
    largest = 1
    for row in range(offsets.size - 1):
        largest = max(largest, offsets[row + 1] - offsets[row])
    return largest


@compiled
def _power_of_two(least: int) -> int:
    size = 64
    while size < least:
        size *= 2
    return size


@compiled
def sketch_rows(
    data: Array, offsets: Array, words: int, kind: Array, a: Array, b: Array, sizes: Array, signatures: Array
) -> None:
    """Fill ``sizes`` with the numbers of distinct shingles and ``signatures`` with datasketch's MinHash values."""
    text = data.ctypes.data
    most = _largest(offsets) + 1
    starts = np.empty(most, np.int64)
    hashes = np.empty(most, np.uint64)
    table = np.empty(_power_of_two(4 * most), np.uint64)
    permutations = a.size
    mixed = np.empty(4, np.uint32)
    for row in range(offsets.size - 1):
        found = _distinct_shingles(text, offsets[row], offsets[row + 1], words, kind, starts, table, hashes)
        sizes[row] = found
        signature = signatures[row]
        signature[:] = np.uint32(0xFFFFFFFF)
        for first in range(0, found, 4):
            for lane in range(4):
                h = np.uint32(hashes[min(first + lane, found - 1)])
                h = np.uint32((h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B))
                h = np.uint32((h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35))
                mixed[lane] = h ^ (h >> np.uint32(16))
            h0, h1, h2, h3 = mixed[0], mixed[1], mixed[2], mixed[3]
            for k in range(permutations):
                low = min(np.uint32(a[k] * h0 + b[k]), np.uint32(a[k] * h1 + b[k]))
                other = min(np.uint32(a[k] * h2 + b[k]), np.uint32(a[k] * h3 + b[k]))
                signature[k] = min(signature[k], min(low, other))


@compiled
def shingle_rows(data: Array, offsets: Array, words: int, kind: Array) -> tuple[Array, Array]:
    """The distinct XXH64 values of the shingles of all rows, row after row, and where each row's begin."""
    text = data.ctypes.data
    most = _largest(offsets) + 1
    starts = np.empty(most, np.int64)
    hashes = np.empty(most, np.uint64)
    table = np.empty(_power_of_two(4 * most), np.uint64)
    bounds = np.zeros(offsets.size, np.int64)
    # A unit has a byte at least.
    made = np.empty(data.size + offsets.size, np.uint64)
    for row in range(offsets.size - 1):
        found = _distinct_shingles(text, offsets[row], offsets[row + 1], words, kind, starts, table, hashes)
        first = bounds[row]
        made[first : first + found] = hashes[:found]
        bounds[row + 1] = first + found
    return made[: bounds[-1]].copy(), bounds


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
