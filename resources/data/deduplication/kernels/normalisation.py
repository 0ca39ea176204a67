"""Machine code that normalises texts: how many bytes each form takes, and the forms themselves.

Strings are the bytes of all of them and offsets, row r being ``data[offsets[r]:offsets[r + 1]]``.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from fineline.resources.data.deduplication.kernels.characters import TABLE_END
from fineline.resources.data.deduplication.kernels.compiled import (
    HIGH_BITS,
    code_point,
    compiled,
    load8,
    load64,
    store8,
)

Array = npt.NDArray[Any]


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
                code, size = code_point(text, at)
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
                code, size = code_point(text, at)
                at += size
                for i in range(start[code], start[code] + length[code]):
                    store8(out, to, pool[i])
                    is_space = np.int64(pool[i] == 32)
                    to += 1 - (is_space & space)
                    space = is_space
        to -= space & (to > begin)
        made_offsets[row + 1] = to
