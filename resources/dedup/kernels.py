"""Machine code over string buffers: normalise, cut into units, hash shingles, permute, compare.

Strings come as the bytes of all of them and offsets, row r being ``data[offsets[r]:offsets[r + 1]]``. Kernels that
call each other stand in one file, since numba notices changes of a file only.
"""

import numpy as np

from fineline.resources.dedup.characters import CODE, SINGLE, SPACE, TABLE_END, WORD
from fineline.resources.dedup.compiled import compiled, load8, load32, load64

U64 = np.uint64
P1, P2, P3 = U64(0x9E3779B185EBCA87), U64(0xC2B2AE3D27D4EB4F), U64(0x165667B19E3779F9)
P4, P5 = U64(0x85EBCA77C2B2AE63), U64(0x27D4EB2F165667C5)
GOLDEN = U64(0x9E3779B97F4A7C15)
BEYOND = 0x40000


@compiled
def _rotate(value, bits):
    return (value << U64(bits)) | (value >> U64(64 - bits))


@compiled
def _round(accumulator, value):
    return _rotate(accumulator + value * P2, 31) * P1


@compiled
def xxh64(text, start, end, seed):
    """XXH64 of the bytes from start to end behind a pointer, as xxhash.xxh64_intdigest gives it."""
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
    while at + 8 <= end:
        h = _rotate(h ^ _round(U64(0), load64(text, at)), 27) * P1 + P4
        at += 8
    if at + 4 <= end:
        h = _rotate(h ^ (U64(load32(text, at)) * P1), 23) * P2 + P3
        at += 4
    while at < end:
        h = _rotate(h ^ (U64(load8(text, at)) * P5), 11) * P1
        at += 1
    h = (h ^ (h >> U64(33))) * P2
    h = (h ^ (h >> U64(29))) * P3
    return h ^ (h >> U64(32))


@compiled
def _code_point(text, at):
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
def normalised_lengths(data, offsets, length):
    """For each row, bytes enough for its normalised form; -1 where only the whole text can be normalised."""
    text = data.ctypes.data
    needed = np.empty(offsets.size - 1, np.int64)
    for row in range(needed.size):
        at, end, total = offsets[row], offsets[row + 1], 0
        while at < end:
            while at + 8 <= end and load64(text, at) & U64(0x8080808080808080) == 0:
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
def normalise_rows(data, offsets, verbatim, start, length, pool, made, made_offsets):
    """Fill ``made`` with the normalised rows, one after the other, and ``made_offsets`` with where they lie.

    Rows marked ``verbatim`` are normalised already.
    """
    text = data.ctypes.data
    plain = np.zeros(256, np.uint8)
    for byte in range(128):
        if not (byte == 32 or 9 <= byte <= 13 or 28 <= byte <= 31):
            plain[byte] = byte + 32 if 65 <= byte <= 90 else byte
    # A zero byte is no white space, but stands here for bytes that need a second look.
    to = 0
    made_offsets[0] = 0
    for row in range(offsets.size - 1):
        at, end, begin = offsets[row], offsets[row + 1], to
        if verbatim[row]:
            for i in range(at, end):
                made[to] = load8(text, i)
                to += 1
            made_offsets[row + 1] = to
            continue
        while at < end:
            form = plain[load8(text, at)]
            if form != 0:
                made[to] = form
                to += 1
                at += 1
                continue
            byte = load8(text, at)
            if byte >= 0x80:
                code, size = _code_point(text, at)
                at += size
                for i in range(start[code], start[code] + length[code]):
                    if pool[i] != 32 or (to > begin and made[to - 1] != 32):
                        made[to] = pool[i]
                        to += 1
                continue
            at += 1
            if byte == 0:
                made[to] = 0
                to += 1
            elif to > begin and made[to - 1] != 32:
                made[to] = 32
                to += 1
        if to > begin and made[to - 1] == 32:
            to -= 1
        made_offsets[row + 1] = to


@compiled
def _cut(text, at, end, kind, starts, ends):
    """Fill ``starts`` and ``ends`` with where the units of a normalised text lie; gives how many they are."""
    units = 0
    inside, single, after_code = False, False, False
    while at < end:
        byte = load8(text, at)
        size = 1
        if byte < 0x80:
            what = kind[byte]
        elif byte < 0xE0:
            what, size = np.uint8(WORD), 2
        else:
            code, size = _code_point(text, at)
            if code < TABLE_END:
                what = kind[code]
            else:
                what = np.uint8(SINGLE) if code < BEYOND else np.uint8(WORD)
        if what == SPACE:
            if inside:
                ends[units - 1] = at
            inside = False
            at += 1
            continue
        if not inside or what == SINGLE or (what == WORD and (single or after_code)):
            if inside:
                ends[units - 1] = at
            starts[units] = at
            units += 1
            single, after_code, inside = what == SINGLE, False, True
        else:
            after_code = what == CODE
        at += size
        if what == WORD:
            while at < end and load8(text, at) < 0x80 and kind[load8(text, at)] == WORD:
                at += 1
    if inside:
        ends[units - 1] = end
    return units


@compiled
def _distinct_shingles(text, begin, end, words, kind, starts, ends, table, stamps, stamp, hashes):
    """Fill ``hashes`` with the distinct XXH64 values of a text's shingles; gives how many they are.

    ``table`` and ``stamps`` are scratch of a power of two, at least twice as many as units; of them only as
    much is used as the text needs, which stays in the processor's cache.
    """
    units = _cut(text, begin, end, kind, starts, ends)
    if units < words or units == 0:
        hashes[0] = xxh64(text, begin, end, U64(0))
        return 1
    mask = _power_of_two(2 * units) - 1
    found = 0
    for unit in range(units - words + 1):
        value = xxh64(text, starts[unit], ends[unit + words - 1], U64(0))
        slot = value & U64(mask)
        while stamps[slot] == stamp and table[slot] != value:
            slot = (slot + U64(1)) & U64(mask)
        if stamps[slot] != stamp:
            stamps[slot] = stamp
            table[slot] = value
            hashes[found] = value
            found += 1
    return found


@compiled
def _largest(offsets):
    largest = 1
    for row in range(offsets.size - 1):
        largest = max(largest, offsets[row + 1] - offsets[row])
    return largest


@compiled
def _power_of_two(least):
    size = 64
    while size < least:
        size *= 2
    return size


@compiled
def sketch_rows(data, offsets, words, kind, a, b, sizes, signatures):
    """Fill ``sizes`` with the numbers of distinct shingles and ``signatures`` with datasketch's MinHash values."""
    text = data.ctypes.data
    most = _largest(offsets) + 1
    starts, ends = np.empty(most, np.int64), np.empty(most, np.int64)
    hashes = np.empty(most, np.uint64)
    table = np.empty(_power_of_two(2 * most), np.uint64)
    stamps = np.zeros(table.size, np.int64)
    permutations = a.size
    mixed = np.empty(4, np.uint32)
    for row in range(offsets.size - 1):
        found = _distinct_shingles(
            text, offsets[row], offsets[row + 1], words, kind, starts, ends, table, stamps, row + 1, hashes
        )
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
def shingle_rows(data, offsets, words, kind):
    """The distinct XXH64 values of the shingles of all rows, row after row, and where each row's begin."""
    text = data.ctypes.data
    most = _largest(offsets) + 1
    starts, ends = np.empty(most, np.int64), np.empty(most, np.int64)
    hashes = np.empty(most, np.uint64)
    table = np.empty(_power_of_two(2 * most), np.uint64)
    stamps = np.zeros(table.size, np.int64)
    bounds = np.zeros(offsets.size, np.int64)
    # A unit has a byte at least.
    made = np.empty(data.size + offsets.size, np.uint64)
    for row in range(offsets.size - 1):
        found = _distinct_shingles(
            text, offsets[row], offsets[row + 1], words, kind, starts, ends, table, stamps, row + 1, hashes
        )
        first = bounds[row]
        made[first : first + found] = hashes[:found]
        bounds[row + 1] = first + found
    return made[: bounds[-1]].copy(), bounds


@compiled
def describe_rows(data, offsets, digests, characters, words):
    """Fill in the hexadecimal digits of each normalised row's content hash, its characters and its words."""
    text = data.ctypes.data
    for row in range(offsets.size - 1):
        start, end = offsets[row], offsets[row + 1]
        for half in range(2):
            value = xxh64(text, start, end, U64(half + 1))
            for digit in range(16):
                four = (value >> U64(60 - 4 * digit)) & U64(15)
                digests[row, 16 * half + digit] = four + U64(48) if four < U64(10) else four + U64(87)
        letters, spaces = 0, 0
        for at in range(start, end):
            byte = load8(text, at)
            letters += (byte & 0xC0) != 0x80
            spaces += byte == 32
        characters[row] = letters
        words[row] = spaces + (end > start)
