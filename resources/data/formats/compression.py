"""Opening files: packed ones as a stream of bounded memory, with a limit on what they unpack to."""

import gzip
import io
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

import pyarrow as pa

from fineline.resources.data.formats.rows import SourceError

# Text packs 3 to 30 times; logs and generated rows up to some 100. gzip ends at 1,032, zstd has no end.
MAXIMUM_RATIO = 200
ALWAYS_ALLOWED = 64 * 2**20
BUFFER = 2**20
MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
UTF8_MARK = b"\xef\xbb\xbf"


def _gunzip(packed: BinaryIO) -> BinaryIO:
    return gzip.GzipFile(fileobj=packed)  # type: ignore[return-value]  # is one but for its class


def _unzstd(packed: BinaryIO) -> BinaryIO:
    stream: BinaryIO = pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd")
    return stream


UNPACKERS: dict[str, Callable[[BinaryIO], BinaryIO]] = {".gz": _gunzip, ".zst": _unzstd}


class Unpacked(io.RawIOBase):
    """The bytes that a packed file holds.

    Reading raises SourceError where the file is damaged, cut off, or unpacks to more than 200 times its size
    (64 MiB are always allowed).
    """

    def __init__(self, packed: BinaryIO, ending: str, size: int, name: str) -> None:
        super().__init__()
        self._packed = packed
        self._stream = UNPACKERS[ending](packed) if size else io.BytesIO()
        self._ending, self._name = ending, name
        self._left = max(ALWAYS_ALLOWED, MAXIMUM_RATIO * size)

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        """Fill the buffer with what comes next."""
        try:
            found = self._stream.read(len(buffer))
        except (EOFError, zlib.error, OSError) as error:
            raise SourceError(
                f"{self._name} is a damaged or half-written {self._ending} file; copy it again."
            ) from error
        self._left -= len(found)
        if self._left < 0:
            raise SourceError(
                f"{self._name} unpacks to more than {MAXIMUM_RATIO} times its size, which no text does; it was read no "
                "further. If that is how it should be, unpack it by hand and put the plain file in its place."
            )
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        """Close the packed file too."""
        self._packed.close()
        super().close()


def open_text(packed: BinaryIO, ending: str, size: int, name: str) -> io.BufferedReader:
    """A text file's bytes, unpacked where ``ending`` is .gz or .zst, without a byte order mark.

    Raises:
        SourceError: the file is not UTF-8 but UTF-16; also when it is read, see ``Unpacked``.
    """
    raw: Any = Unpacked(packed, ending, size, name) if ending in UNPACKERS else packed
    stream = io.BufferedReader(raw, BUFFER)
    mark = stream.peek(len(UTF8_MARK))[: len(UTF8_MARK)]
    if mark[:2] in MARKS:
        raise SourceError(f"{name} is {MARKS[mark[:2]]}, not UTF-8. Change it: iconv -f UTF-16 -t UTF-8 OLD > NEW")
    if mark == UTF8_MARK:
        stream.read(len(UTF8_MARK))
    return stream
