"""Opening text files: packed ones as a stream of bounded memory, with a limit on what they unpack to."""

import codecs
import gzip
import io
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

import pyarrow as pa

from fineline.resources.data.formats.rows import SourceError

# Text packs 3 to 30 times; logs and generated rows up to some 70. gzip ends at 1,032, zstd has no end.
MAXIMUM_RATIO = 100
ALWAYS_ALLOWED = 64 * 2**20
# A file of up to so many bytes is unpacked once before: its rows take far longer than its bytes.
TRIED_BEFORE = 16 * 2**20
BUFFER = 2**20

UNPACKERS: dict[str, Callable[[BinaryIO], Any]] = {
    ".gz": lambda packed: gzip.GzipFile(fileobj=packed),
    ".zst": lambda packed: pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd"),
}


def is_damage(error: OSError) -> bool:
    """Whether gzip or Arrow found damaged content, for which they use OSError too; else a disk or a store failed."""
    return error.errno is None and type(error) in (OSError, gzip.BadGzipFile)


def allowed_bytes(size: int) -> int:
    """How many bytes a file of so many may unpack to."""
    return max(ALWAYS_ALLOWED, MAXIMUM_RATIO * size)


def too_many_bytes(name: str) -> SourceError:
    """The error of a file that unpacks to more."""
    return SourceError(
        f"{name} unpacks to more than {MAXIMUM_RATIO} times its size, which no text does; it was read no further. If "
        "that is how it should be, unpack it by hand and put a plain file, such as JSON Lines, in its place."
    )


class Unpacked(io.RawIOBase):
    """The bytes that a packed file holds; ``size`` is that of the packed file, in bytes.

    Reading raises SourceError where the file is damaged, cut off, or unpacks to more than 100 times its size
    (64 MiB are always allowed), and OSError where its disk or store fails.
    """

    def __init__(self, packed: BinaryIO, ending: str, size: int, name: str) -> None:
        super().__init__()
        self._stream = UNPACKERS[ending](packed)
        self._ending, self._name = ending, name
        self._left = allowed_bytes(size)

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        """Fill the buffer with the next bytes. Returns their number."""
        try:
            found = self._stream.read(len(buffer))
        except (EOFError, zlib.error, OSError) as error:
            if isinstance(error, OSError) and not is_damage(error):
                raise
            raise SourceError(
                f"{self._name} is a damaged or half-written {self._ending} file; copy it again."
            ) from error
        self._left -= len(found)
        if self._left < 0:
            raise too_many_bytes(self._name)
        buffer[: len(found)] = found
        return len(found)


def open_text(packed: BinaryIO, ending: str, size: int, name: str) -> io.BufferedReader:
    """A text file's bytes, unpacked where ``ending`` is .gz or .zst, without a byte order mark.

    Raises:
        SourceError: the file is not UTF-8 but UTF-16; also when it is read, see ``Unpacked``.
    """
    raw: Any = packed
    if ending in UNPACKERS:
        if size <= TRIED_BEFORE:
            content = packed.read()
            tried = Unpacked(io.BytesIO(content), ending, size, name)
            while tried.read(BUFFER):
                pass
            packed = io.BytesIO(content)
        raw = Unpacked(packed, ending, size, name)
    stream = io.BufferedReader(raw, BUFFER)
    beginning = stream.peek(len(codecs.BOM_UTF32_LE))
    if beginning.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise SourceError(f"{name} is UTF-32, not UTF-8. Change it: iconv -f UTF-32 -t UTF-8 OLD > NEW")
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SourceError(f"{name} is UTF-16, not UTF-8. Change it: iconv -f UTF-16 -t UTF-8 OLD > NEW")
    if beginning.startswith(codecs.BOM_UTF8):
        stream.read(len(codecs.BOM_UTF8))
    return stream
