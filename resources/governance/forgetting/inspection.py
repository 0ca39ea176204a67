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
from functools import cache, lru_cache

import polars as pl
import regex

from fineline.resources.governance.forgetting.likenesses import GAP, LONG, ROW, Name, is_name, without_titles

LOOKED_FOR = (
    "as written, in any case, width, spacing and punctuation",
    "without accents, or with ä, ö, ü as ae, oe, ue",
    "a name, as whole words, with the surname first or a middle initial in capitals, in snake_case or CamelCase",
    "a name in one word: an address, a handle, the name of a file, or anywhere if it has nine letters or more",
    "with invisible characters, HTML entities and tags, %xx, quoted-printable, escapes, hyphens at line ends",
    "in base64 or hexadecimal digits, compressed (gzip, zlib, bz2) or not",
    "reported only: initial and surname, middle names, both names close together, letters apart or in other alphabets, "
    "a name of nine letters or more within longer words",
)
_LAYERS = 8
# Compressed content is read up to so many bytes in all, or so many times the length of what holds it.
_LONGEST, _TIMES = 2**24, 20
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
# A letter with more accents than these is none; to put them in order would take the square of their number.
_ACCENTS = regex.compile(r"(\p{M}{30})\p{M}+")
_BASE = {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ß": "ss"}
_LETTERS = str.maketrans(_BASE | {one.upper(): base.title() for one, base in _BASE.items() if one != "ß"} | {"ı": "i"})
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
_HUMP = re.compile(r"([a-z])(?=[A-Z\d\uac00-\ud7af])|([A-Z])(?=\d)")
# Runs of digits and letters, such as base64, are no CamelCase.
_NO_WORD = re.compile(r"\b(?:[a-z\d]|[A-Za-z]{1,40}\d)[A-Za-z\d]{14,}")
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
        self._names: list[Name] = []
        self._alike = set[str]()
        for text in texts:
            lower = unicodedata.normalize("NFKC", text).lower()
            for spelt in {_flat(lower), _flat(_spelt(lower, _PAIRS))}:
                self._add(_words(spelt), is_reversed="," in lower)
            umlauts = _flat(_spelt(lower, [(two, one) for one, two in _PAIRS]))
            bare = {_bare(each) for each in (_flat(lower), umlauts)}
            self._alike |= {each.translate(_ALIKE) for each in bare if len(each) >= LONG or not is_name(_words(lower))}

    def _add(self, words: list[str], *, is_reversed: bool) -> None:
        words = without_titles(words)
        if not is_name(words):
            self._patterns.setdefault("".join(words), re.compile(f"{GAP}+".join(map(re.escape, words))))
            return
        name = Name([*words[1:], words[0]] if is_reversed else words)
        self._names.append(name)
        # Within longer words it is only reported.
        self._patterns |= {each: name.whole for each in name.joined if len(each) >= LONG}

    def each(self, texts: Sequence[str]) -> list[Verdict]:
        """The verdict on each of some texts; one look at all together spares most of the time."""
        texts = [text.replace(ROW, " ") for text in texts]
        verdict = self._verdict(ROW.join(texts))
        if verdict is Verdict.NOTHING or len(texts) < 2:
            return [verdict] * len(texts)
        half = len(texts) // 2
        return [*self.each(texts[:half]), *self.each(texts[half:])]

    def _verdict(self, text: str) -> Verdict:
        """The worst of what any layer of a text shows."""
        found, room = Verdict.NOTHING, _Room(text)
        for layer in _layers(text, room):
            found = max(found, self._judge(layer))
            if found is Verdict.HOLDS:
                break
        # What holds too much to be read to its end is for a person to look at.
        return max(found, Verdict.RESEMBLES) if room.left <= 0 else found

    def _judge(self, text: str) -> Verdict:
        plain = _plain(text)
        flat = _lowered(plain)
        bare = _bare(flat)
        hits = _held(bare, [*self._patterns])
        named = [name for name in self._names if all(word in flat for word in name.words)]
        apart = _HUMP.sub(r"\1\2 ", _NO_WORD.sub(".", plain)) if named else ""
        if (
            any(self._patterns[hit].search(flat) for hit in hits)
            or any(name.stands(flat, plain, apart) for name in named)
            or any(self._names_one(found[0]) for found in _DIGITS.finditer(flat))
        ):
            return Verdict.HOLDS
        alike, spread = flat, _lowered(apart)
        if not flat.isascii():
            alike = flat.translate(_ALIKE)
            bare = _bare(alike)
        if (
            hits
            or any(name.resembles(flat) or name.resembles(spread) for name in named)
            or any(name.resembles(alike) for name in self._names if name.may_stand(alike, bare))
            or _held(bare, [*self._alike])
        ):
            return Verdict.RESEMBLES
        return Verdict.NOTHING

    def _names_one(self, run: str) -> bool:
        return any(run[start : start + 32] in self._ids for start in range(len(run) - 31))


class _Room:
    """How many bytes may still be unpacked."""

    def __init__(self, text: str) -> None:
        self.left = max(_LONGEST, _TIMES * len(text))

    def inflated(self, blob: bytes) -> bytes:
        """What a blob holds, if it is compressed and there is room; else the blob."""
        if self.left <= 0:
            return blob
        try:
            if blob.startswith(b"BZh"):
                content = bz2.BZ2Decompressor().decompress(blob, self.left)
            elif blob.startswith((b"\x1f\x8b", b"\x78")):
                content = zlib.decompressobj(47).decompress(blob, self.left)
            else:
                return blob
        except (zlib.error, OSError):
            return blob
        self.left -= len(content)
        return content


def _layers(text: str, room: _Room, left: int = _LAYERS) -> Iterator[str]:
    """A text, and what it reads as once its wrappings are taken off, until nothing changes."""
    yield text
    if not left:
        return
    inner = _opened(text)
    if inner != text:
        yield from _layers(inner, room, left - 1)
    blobs = [printed for run in _RUN.findall(text) for printed in _blobs(_JOINT.sub("", run), room)]
    if blobs:
        # The row of a blob does not matter: each row is looked at by itself afterwards.
        yield from _layers(ROW.join(blobs), room, left - 1)


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


def _blobs(run: str, room: _Room) -> Iterator[str]:
    letters = run.translate({ord("-"): "+", ord("_"): "/"})
    blobs = [_base64(letters[start:]) for start in range(4)]
    if len(run) % 2 == 0 and not _ID.fullmatch(run) and re.fullmatch(r"[0-9A-Fa-f]+", run):
        blobs.append(bytes.fromhex(run))
    for blob in blobs:
        yield from _PRINTED.findall(room.inflated(blob).decode(errors="replace"))


def _base64(letters: str) -> bytes:
    """As many bytes as the letters hold, with or without padding."""
    rest = len(letters) % 4
    return base64.b64decode(letters[:-1] if rest == 1 else letters + "=" * (-rest % 4))


def _spelt(text: str, pairs: Sequence[tuple[str, str]]) -> str:
    for one, other in pairs:
        text = text.replace(one, other)
    return text


def _words(flat: str) -> list[str]:
    return re.sub(GAP, " ", flat).split()


def _flat(text: str) -> str:
    """Lower case without accents and invisible characters, with spaces for underscores."""
    return _lowered(_plain(text))


def _plain(text: str) -> str:
    """A text without accents and invisible characters."""
    return text if text.isascii() else _NOT_ASCII.sub(lambda part: _plain_part(part[0]), text)


@lru_cache(maxsize=2**14)
def _plain_part(part: str) -> str:
    decomposed = unicodedata.normalize("NFKD", _ACCENTS.sub(r"\1", part))
    return decomposed.translate(_invisible()).translate(_LETTERS)


def _lowered(plain: str) -> str:
    return plain.casefold().replace("_", " ")


def _bare(flat: str) -> str:
    return re.sub(rf"[^\w{ROW}]+", "", flat)


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
