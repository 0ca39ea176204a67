"""Text within text: what a string reads as once entities, tags, escapes and encodings are resolved."""

from __future__ import annotations

import base64
import bz2
import html
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote

import ftfy

# What polars looks for before any string is resolved. Identifiers and digests, which are hexadecimal, are left out.
WRAPPED = (
    r"&#?\w{2,}|%[0-9A-Fa-f]{2}|=[0-9A-Fa-f]{2}|=\r?\n|<[A-Za-z/!]|\\|-[ \t]*\r?\n"
    r"|[A-Za-z0-9+/_-]{16,}|[Â-ß][\x{80}-\x{bf}–-™]"
)
DIGESTS = r"\b(?:[0-9a-f]{12}|[0-9a-f]{16}|[0-9a-f]{32}|[0-9a-f]{64})\b"
_LAYERS = 6
# Compressed content of one string is read up to so many bytes in all, or so many times its length.
_LONGEST, _TIMES = 2**24, 20
_BROKEN = re.compile(r"[-\u00ad\u2010][ \t]{0,20}\r?\n\s{0,20}|=\r?\n")
_QUOTED = re.compile(r"(?:=[0-9A-Fa-f]{2})+")
_TAG = re.compile(r"</?[A-Za-z!][^<>]{0,500}>")
_UNITS = re.compile(r"(?:(?<!\\)\\+u[0-9a-fA-F]{4})+")
_BYTES = re.compile(r"(?:(?<!\\)\\+x[0-9a-fA-F]{2})+")
_CONTROL = re.compile(r"(?<!\\)\\+[nrtbfv]")
_RUN = re.compile(r"[A-Za-z0-9+/_-]{12,}(?:(?:\\+[rn]|[\r\n])+[A-Za-z0-9+/_-]+)*")
_BREAK = re.compile(r"\\+[rn]|[\r\n]")
_READABLE = re.compile(r"[^\x00-\x08\x0e-\x1f\x7f-\x9f\ufffd]{8,}")
_DEFLATED = {b"\x1f\x8b": 31, b"\x78\x01": 15, b"\x78\x9c": 15, b"\x78\xda": 15}


def unwrapped(text: str) -> Iterator[str]:
    """Every reading of a string below its surface, layer by layer until nothing changes."""
    yield from _unwrapped(text, _LAYERS, _Allowance(max(_LONGEST, _TIMES * len(text))))


@dataclass
class _Allowance:
    """How many bytes may still be unpacked."""

    left: int


def _unwrapped(text: str, layers: int, allowed: _Allowance) -> Iterator[str]:
    if not layers:
        return
    inner = _resolved(text)
    if inner != text:
        yield inner
        yield from _unwrapped(inner, layers - 1, allowed)
    for run in _RUN.findall(text):
        for blob in _decoded(_BREAK.sub("", run), allowed):
            yield blob
            yield from _unwrapped(blob, layers - 1, allowed)


def _resolved(text: str) -> str:
    text = _BROKEN.sub("", text)
    text = _QUOTED.sub(lambda found: bytes.fromhex(found[0].replace("=", "")).decode(errors="replace"), text)
    text = _UNITS.sub(_from_units, text)
    text = _BYTES.sub(lambda found: bytes.fromhex(re.sub(r"\\+x", "", found[0])).decode(errors="replace"), text)
    text = _TAG.sub("", html.unescape(_CONTROL.sub("\n", unquote(text))))
    return text if text.isascii() else ftfy.fix_encoding(text)


def _from_units(found: re.Match[str]) -> str:
    digits = re.sub(r"\\+u", "", found[0])
    return bytes.fromhex(digits).decode("utf-16-be", errors="replace")


def _decoded(run: str, allowed: _Allowance) -> Iterator[str]:
    """The readable text of a run that is base64, at any offset, or hexadecimal, compressed or not."""
    letters = run.replace("-", "+").replace("_", "/")
    blobs = [base64.b64decode(letters[start : start + (len(letters) - start) // 4 * 4]) for start in range(4)]
    # A run that lacks its padding loses nothing.
    blobs.append(base64.b64decode(letters + "=" * (-len(letters) % 4)) if len(letters) % 4 != 1 else b"")
    with suppress(ValueError):
        blobs.append(bytes.fromhex(run))
    for blob in blobs:
        content = blob
        if blob[:2] in _DEFLATED and allowed.left > 0:
            with suppress(zlib.error):
                content = zlib.decompressobj(_DEFLATED[blob[:2]]).decompress(blob, allowed.left)
                allowed.left -= len(content)
        elif blob.startswith(b"BZh") and allowed.left > 0:
            with suppress(OSError):
                content = bz2.BZ2Decompressor().decompress(blob, allowed.left)
                allowed.left -= len(content)
        readable = " ".join(_READABLE.findall(content.decode(errors="replace")))
        if readable:
            yield readable
