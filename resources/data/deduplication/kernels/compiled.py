"""Compiling Python functions to machine code, once for all processes where a folder can be written to."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from llvmlite import ir
from numba.extending import intrinsic

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """The function as machine code that runs without the interpreter's lock.

    The code is kept beside this package, else in the user's cache folder, or where ``NUMBA_CACHE_DIR``
    says; where none of them can be written to, each process compiles anew.
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
