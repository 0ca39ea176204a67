"""Compilation of Python functions to machine code, and the functions that several kernels share.

numba compiles a kernel again when its own file has changed, not when this one has.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

F = TypeVar("F", bound=Callable[..., object])
# One bit of each of eight bytes: the highest, the lowest.
HIGH_BITS, LOW_BITS = np.uint64(0x8080808080808080), np.uint64(0x0101010101010101)


def compiled(function: F) -> F:
    """The function as machine code that runs without the interpreter's lock.

    The code is kept in the folder that ``NUMBA_CACHE_DIR`` names, beside this package, or in the user's cache folder;
    where none of them can be written to, each process compiles it again.
    """
    try:
        return cast(F, numba.njit(cache=True, nogil=True)(function))
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        return cast(F, numba.njit(nogil=True)(function))


def _load(bits: int) -> Any:
    """Reads an unsigned integer of so many bits, little-endian, ``at`` bytes behind a pointer, aligned or not.

    An array's own index would be tested for being negative, and eight bytes be read one by one.
    """
    kind = getattr(numba.types, f"uint{bits}")

    def load(_: Any, pointer: Any, at: Any) -> Any:
        def generate(_: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            address = builder.inttoptr(builder.add(*arguments), ir.IntType(bits).as_pointer())
            value = builder.load(address, typ=ir.IntType(bits))
            value.align = 1
            return value

        return kind(numba.types.uintp, numba.types.intp), generate

    return intrinsic(load)


def _store8(_: Any, pointer: Any, at: Any, value: Any) -> Any:
    """Writes a byte ``at`` bytes behind a pointer."""

    def generate(_: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = builder.inttoptr(builder.add(arguments[0], arguments[1]), ir.IntType(8).as_pointer())
        builder.store(arguments[2], address, align=1)
        return arguments[0]

    return numba.types.uintp(numba.types.uintp, numba.types.intp, numba.types.uint8), generate


def _trailing_zeros(_: Any, value: Any) -> Any:
    """The zero bits below the lowest one of a 64-bit number; 64 for zero."""

    def generate(_: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return numba.types.int64(numba.types.uint64), generate


load8, load32, load64 = _load(8), _load(32), _load(64)
store8: Any = intrinsic(_store8)
trailing_zeros: Any = intrinsic(_trailing_zeros)


@compiled
def code_point(text: int, at: int) -> Any:
    """The code point that begins ``at`` bytes behind a pointer with a byte over 0x7F, and its number of bytes."""
    lead = np.int64(load8(text, at))
    second = np.int64(load8(text, at + 1)) & 0x3F
    if lead < 0xE0:
        return (lead & 0x1F) << 6 | second, 2
    third = np.int64(load8(text, at + 2)) & 0x3F
    if lead < 0xF0:
        return (lead & 0x0F) << 12 | second << 6 | third, 3
    return (lead & 0x07) << 18 | second << 12 | third << 6 | (np.int64(load8(text, at + 3)) & 0x3F), 4


@compiled
def power_of_two(least: int) -> int:
    """The smallest power of two from 64 on that is not below ``least``."""
    size = 64
    while size < least:
        size *= 2
    return size
