"""Inspection of text for what was forgotten, by other means than the search that removed it.

The search compares words. The inspection drops everything that is no letter and no digit, finds what was sought in the
rest, and judges each finding by what stands between its letters. It has its own reading of encodings and its own rules
for names, and shares none of the search's code, so that one mistake does not hide another.
"""

from __future__ import annotations

import base64
import bz2
import html
import re
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from enum import IntEnum
from functools import cache

import polars as pl

LOOKED_FOR = (
    "as written, in any case, width, spacing and punctuation",
    "without accents, or with ä, ö, ü as ae, oe, ue",
    "a name with the surname first, in one word, or with a middle initial",
    "with invisible characters, HTML entities and tags, %xx, quoted-printable, escapes, hyphens at line ends",
    "in base64 or hexadecimal digits, compressed (gzip, zlib, bz2) or not",
    "reported only: initial and surname, middle names, both names close together, letters apart or of another alphabet",
)
# Separates rows: nothing is found across it.
_ROW = "\x1d"
_LAYERS = 8
_LONGEST = 2**24
_GAP = rf"[^\w{_ROW}]"
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ß": "ss"})
_PAIRS = (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("å", "aa"), ("ø", "oe"))
_ALIKE = str.maketrans("аеорсухіјѕкмтвнοανικρτυγ", "aeopcyxijskmtbhoavikptuy")
_OCTETS = re.compile(r"[=%][0-9A-Fa-f]{2}(?:[=%][0-9A-Fa-f]{2})*|\\x[0-9A-Fa-f]{2}(?:\\x[0-9A-Fa-f]{2})*")
# Each begins with what is rare, or it would take ten times as long. Of a row of backslashes, only the first begins one.
_UNITS = re.compile(r"\\(?<!\\\\)\\*u[0-9A-Fa-f]{4}(?:\\+u[0-9A-Fa-f]{4})*")
_CONTROL = re.compile(r"\\(?<!\\\\)\\*[nrtbfv]")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?")
_MOJIBAKE = re.compile(r"[\u00c2-\u00df][\u0080-\u00bf]")
_REMOVED = re.compile(r"[-\u00ad\u2010][ \t]{0,20}\r?\n\s{0,20}|[=]\r?\n|<[/A-Za-z!][^<>]{0,500}>")
_RUN = re.compile(r"[A-Za-z0-9+/_-]{12,}(?:(?:\\+[rn]|[\r\n])+[A-Za-z0-9+/_-]+)*")
_JOINT = re.compile(r"\\+[rn]|[\r\n]")
_HUMP = re.compile(r"([a-z])(?=[A-Z])")
_PRINTED = re.compile(r"[^\x00-\x08\x0e-\x1f\x7f-\x9f\ufffd]{8,}")
_ID = re.compile(r"[0-9a-f]{32}")
_DIGITS = re.compile(r"[0-9a-f]{32,}")


class Verdict(IntEnum):
    """What an inspection found in a text."""

    NOTHING = 0
    RESEMBLES = 1
    HOLDS = 2


class Inspection:
    """Looks for ``texts``, which people wrote, in all their forms, and for ``others``, record_ids and passages."""

    def __init__(self, texts: Sequence[str], others: Sequence[str] = ()) -> None:
        self._ids = frozenset(filter(_ID.fullmatch, others))
        self._patterns = {_bare(_flat(text)): re.compile("") for text in others if text not in self._ids}
        self._names: list[_Name] = []
        self._alike = set[str]()
        for text in texts:
            lower = unicodedata.normalize("NFKC", text).lower()
            for spelt in {_flat(lower), _flat(_spelt(lower, _PAIRS))}:
                self._add(_words(spelt))
            umlauts = _flat(_spelt(lower, [(two, one) for one, two in _PAIRS]))
            self._alike |= {_bare(each).translate(_ALIKE) for each in (_flat(lower), umlauts)}

    def _add(self, words: Sequence[str]) -> None:
        name = _is_name(words)
        for order in (words, [words[-1], *words[:-1]])[: 2 if name else 1]:
            gap = f"{_GAP}*" if name else f"{_GAP}+"
            self._patterns.setdefault("".join(order), re.compile(gap.join(map(re.escape, order))))
        if name:
            self._names.append(_Name(words))

    def each(self, texts: Sequence[str]) -> list[Verdict]:
        """The verdict on each of some texts; one look at all together spares most of the time."""
        texts = [text.replace(_ROW, " ") for text in texts]
        verdict = self._verdict(_ROW.join(texts))
        if verdict is Verdict.NOTHING or len(texts) < 2:
            return [verdict] * len(texts)
        half = len(texts) // 2
        return [*self.each(texts[:half]), *self.each(texts[half:])]

    def _verdict(self, text: str) -> Verdict:
        """The worst of what any layer of a text shows."""
        found = Verdict.NOTHING
        for layer in _layers(text):
            found = max(found, self._judge(layer))
            if found is Verdict.HOLDS:
                break
        return found

    def _judge(self, text: str) -> Verdict:
        flat = _flat(text)
        bare = _bare(flat)
        hits = _held(bare, [*self._patterns])
        named = [name for name in self._names if name.last in flat]
        if (
            any(self._patterns[hit].search(flat) for hit in hits)
            or any(name.initialled.search(flat) for name in named)
            or any(self._names_one(found[0]) for found in _DIGITS.finditer(flat))
        ):
            return Verdict.HOLDS
        spread = _flat(_HUMP.sub(r"\1 ", text)) if named else ""
        if hits or any(name.near.search(spread) for name in named) or _held(bare.translate(_ALIKE), [*self._alike]):
            return Verdict.RESEMBLES
        return Verdict.NOTHING

    def _names_one(self, run: str) -> bool:
        return any(run[start : start + 32] in self._ids for start in range(len(run) - 31))


class _Name:
    """Patterns of a name: with a middle initial, and what only resembles it."""

    def __init__(self, words: Sequence[str]) -> None:
        first, self.last = words[0], words[-1]
        gap, few = f"{_GAP}{{1,20}}", rf"(?:{_GAP}{{1,20}}\w{{1,40}}){{0,3}}"
        given = gap.join(words[:-1])
        self.initialled = re.compile(rf"{given}{gap}[a-z]{gap}{self.last}")
        initial = rf"\b{first[0]}{gap}{self.last}\b|\b{self.last}{gap}{first[0]}\b"
        self.near = re.compile(rf"{first}{few}{gap}{self.last}|{self.last}{few}{gap}{first}|{initial}")


def _layers(text: str, left: int = _LAYERS) -> Iterator[str]:
    """A text, and what it reads as once its wrappings are taken off, until nothing changes."""
    yield text
    if not left:
        return
    inner = _opened(text)
    if inner != text:
        yield from _layers(inner, left - 1)
    blobs = [printed for run in _RUN.findall(text) for printed in _blobs(_JOINT.sub("", run))]
    if blobs:
        # The row of a blob does not matter: each row is looked at by itself afterwards.
        yield from _layers(_ROW.join(blobs), left - 1)


def _opened(text: str) -> str:
    """A text with one layer of its wrappings taken off."""
    text = _REMOVED.sub("", text)
    text = _OCTETS.sub(lambda run: bytes.fromhex(re.sub(r"[=%]|\\x", "", run[0])).decode(errors="replace"), text)
    text = _UNITS.sub(
        lambda run: bytes.fromhex(re.sub(r"\\+u", "", run[0])).decode("utf-16-be", errors="replace"), text
    )
    text = _CONTROL.sub(" ", text)
    text = _ENTITY.sub(lambda run: html.unescape(run[0]), text)
    return _MOJIBAKE.sub(lambda run: run[0].encode("latin-1").decode(errors="replace"), text)


def _blobs(run: str) -> Iterator[str]:
    letters = run.translate({ord("-"): "+", ord("_"): "/"})
    blobs = [_base64(letters[start:]) for start in range(4)]
    if len(run) % 2 == 0 and not _ID.fullmatch(run) and re.fullmatch(r"[0-9A-Fa-f]+", run):
        blobs.append(bytes.fromhex(run))
    for blob in blobs:
        yield from _PRINTED.findall(_inflated(blob).decode(errors="replace"))


def _base64(letters: str) -> bytes:
    """As many bytes as the letters hold, with or without padding."""
    rest = len(letters) % 4
    return base64.b64decode(letters[:-1] if rest == 1 else letters + "=" * (-rest % 4))


def _inflated(blob: bytes) -> bytes:
    try:
        if blob.startswith(b"BZh"):
            return bz2.BZ2Decompressor().decompress(blob, _LONGEST)
        if blob.startswith((b"\x1f\x8b", b"\x78")):
            return zlib.decompressobj(47).decompress(blob, _LONGEST)
    except (zlib.error, OSError):
        pass
    return blob


def _is_name(words: Sequence[str]) -> bool:
    return 2 <= len(words) <= 4 and all(word.isalpha() and len(word) > 1 for word in words)


def _spelt(text: str, pairs: Sequence[tuple[str, str]]) -> str:
    for one, other in pairs:
        text = text.replace(one, other)
    return text


def _words(flat: str) -> list[str]:
    return re.sub(_GAP, " ", flat).split()


def _flat(text: str) -> str:
    """Lower case without accents and invisible characters, with spaces for underscores."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text).translate(_invisible())
    flat = text.casefold().replace("_", " ")
    return flat if flat.isascii() else flat.translate(_LETTERS)


def _bare(flat: str) -> str:
    return re.sub(rf"[^\w{_ROW}]+", "", flat)


@cache
def _invisible() -> dict[int, None]:
    """The code points that are no letter of their own: accents and other marks, and characters of format."""
    return {code: None for code in range(0x110000) if unicodedata.category(chr(code)) in {"Cf", "Mn", "Mc", "Me"}}


def _held(text: str, sought: list[str]) -> list[str]:
    """Those of some texts that a text contains, found in one pass however many there are."""
    if not sought:
        return []
    found = pl.select(text=pl.lit(text).str.extract_many(sought, overlapping=True).explode())["text"]
    return found.drop_nulls().unique().to_list()
