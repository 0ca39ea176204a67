"""A name as the inspection looks for it: what names the person, and what only resembles the name."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Separates rows: nothing is found across it.
ROW = "\x1d"
# What may stand between the words of a text.
GAP = rf"[^\w{ROW}]"
# A name of fewer letters, written as one word, may be another word, or a part of one.
LONG = 9
BEFORE_NAMES = {
    "dr",
    "prof",
    "professor",
    "mr",
    "mrs",
    "ms",
    "miss",
    "sir",
    "herr",
    "frau",
    "mme",
    "mlle",
    "dott",
    "ing",
}
# Scripts without spaces between words: their letters may touch a name.
_SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
_START, _END = rf"(?<![^\W{_SPACELESS}])", rf"(?![^\W{_SPACELESS}])"
_LETTER = rf"[^\W{_SPACELESS}_]"
# Between a surname and the given name after it: no end of a sentence, nor of a line without a comma.
_NEXT = rf"(?:,\s{{1,20}}|(?!\s-)[^\w{ROW}.?!:\r\n\u2013\u2014]){{1,20}}"


class Name:
    """Patterns of a name. ``words`` are without accents, in lower case, the surname last."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        *given, last = words
        first = rf"{_NEXT}".join(given)
        self.joined = {"".join(words), "".join([last, *given])}
        one, initials = "|".join(self.joined), rf"{first}{_NEXT}[^\W\d_]\.?{_NEXT}{last}"
        self.whole = re.compile("|".join(each for each in self.joined if len(each) >= LONG) or "(?!)")
        self._given = re.compile(rf"{_START}{rf'{GAP}+'.join(words)}s?{_END}")
        # In one word: the local part of an address, a handle, or the name of a file.
        self._one = re.compile(
            rf"(?i:{_START}(?:{one})@|@(?:{one}){_END})|{_START}(?i:{one})\.[a-z][a-z0-9]{{1,3}}{_END}"
        )
        snake = "_".join([last, *given])
        self._snake = re.compile(rf"(?<!{_LETTER})(?:{snake}(?!{_LETTER})|{'[.]'.join([last, *given])}@)", re.I)
        self._capitals = [
            re.compile(rf"{_START}{pattern}{_END}", re.I)
            for pattern in (rf"{first}{_NEXT}{last}", rf"{last}{_NEXT}{first}", initials)
        ]
        self._near = _resembling(words)

    def stands(self, flat: str, plain: str, apart: str) -> bool:
        """Whether a text names the person, given in lower case, in its own case, and with CamelCase taken apart."""
        return (
            self._given.search(flat) is not None
            or self._one.search(plain) is not None
            or self._snake.search(plain) is not None
            or any(
                _is_capital(found)
                for text in (plain, apart)
                for pattern in self._capitals
                for found in pattern.finditer(text)
            )
        )

    def may_stand(self, flat: str, bare: str) -> bool:
        """A fast test that excludes most texts, given in lower case, and without all that is no letter or digit."""
        return self.words[-1] in flat or any(each in bare for each in self.joined)

    def resembles(self, flat: str) -> bool:
        """Whether a text in lower case has something like the name."""
        return self._near.search(flat) is not None


def without_titles(words: list[str]) -> list[str]:
    """The words of a name after titles such as Dr."""
    return without_titles(words[1:]) if len(words) > 2 and words[0] in BEFORE_NAMES else words


def _resembling(words: Sequence[str]) -> re.Pattern[str]:
    """The given name and the surname near each other, an initial, all letters apart, or all in one word."""
    *given, last = words
    first, gap, few = words[0], f"{GAP}{{1,20}}", rf"(?:{GAP}{{1,20}}\w{{1,40}}){{0,3}}"
    initial = rf"{first[0]}{gap}{last}|{last}{gap}{first[0]}"
    letters = f"{GAP}{{1,3}}".join("".join(words))
    one = "|".join(["".join(words), "".join([last, *given])])
    return re.compile(rf"{_START}(?:{first}{few}{gap}{last}|{last}{few}{gap}{first}|{initial}|{letters}|{one}){_END}")


def _is_capital(found: re.Match[str]) -> bool:
    """Whether each word found is written as a name is; all in capitals, only with a comma between them."""
    words = re.findall(r"[^\W\d_]+", found[0])
    capital = all(not word[0].islower() for word in words)
    return capital and ("," in found[0] or not all(word.isupper() and len(word) > 1 for word in words))


def is_name(words: Sequence[str]) -> bool:
    """Whether words may be a name: two to four of two letters or more."""
    return 2 <= len(words) <= 4 and all(word.isalpha() and len(word) > 1 for word in words)
