"""What each character becomes when text is compared, and whether it is a word of its own."""

import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

# Classes of characters, for cutting text into units; bits, so that those of several characters can be joined.
SPACE, WORD, OTHER, CODE, SINGLE = 1, 2, 4, 8, 16
# Between a letter and a letter these part words, so that code without spaces has words too.
CODE_SIGNS = frozenset('(){}[]=;<>+*&|!^%~"`\\')
# Blocks of scripts that do not put spaces between words: each character is a unit.
WITHOUT_SPACES = (
    (0x0E00, 0x0FFF),  # Thai, Lao, Tibetan
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19FF),  # Tai Le, New Tai Lue, Khmer symbols
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x1B00, 0x1B7F),  # Balinese
    (0x3040, 0x312F),  # Hiragana, Katakana, Bopomofo
    (0x31A0, 0x31FF),
    (0x3400, 0x4DBF),  # Chinese characters
    (0x4E00, 0x9FFF),
    (0xA980, 0xA9DF),  # Javanese
    (0xAA60, 0xAA7F),
    (0xF900, 0xFAFF),
    (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFF),
)
# Blocks whose characters all stay what they are: Chinese and Korean in their composed forms.
UNCHANGED = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3))
# Blocks that are looked at one by one: all scripts in daily use, symbols and emoji. Text with others is rare.
TABLED = ((0x0000, 0x33FF), (0xA000, 0xABFF), (0xF900, 0xFFFD), (0x1D400, 0x1D7FF), (0x1F000, 0x1FAFF))
# Code points that the tables hold.
TABLE_END = 0x20000


@dataclass(frozen=True)
class Characters:
    """One entry a code point: its UTF-8 form as compared is ``pool[start:start + length]``.

    ``length`` is -1 for a character that may join with its neighbours, so that only the whole text can be
    normalised. ``kind`` is the class of a character that is already normalised.
    """

    start: npt.NDArray[np.int32]
    length: npt.NDArray[np.int8]
    pool: npt.NDArray[np.uint8]
    kind: npt.NDArray[np.uint8]


def kind_of(character: str) -> int:
    """The class of a normalised character."""
    code = ord(character)
    if character == " ":
        return SPACE
    if character in CODE_SIGNS:
        return CODE
    if code < 0x80:
        return WORD if character.isalnum() or character == "_" else OTHER
    # Below and above no script without spaces needs the distinction.
    if 0x800 <= code < 0x10000 and unicodedata.category(character)[0] in "MP":
        return OTHER
    return SINGLE if any(low <= code <= high for low, high in WITHOUT_SPACES) else WORD


@cache
def characters() -> Characters:
    """The tables, made at the first call, which takes about a tenth of a second."""
    joins = _joining()
    start = np.zeros(TABLE_END, dtype=np.int32)
    length = np.full(TABLE_END, -1, dtype=np.int8)
    kind = np.full(TABLE_END, WORD, dtype=np.uint8)
    pool = bytearray()
    for low, high in WITHOUT_SPACES:
        kind[low : high + 1] = SINGLE
    for low, high in UNCHANGED:
        block = "".join(map(chr, range(low, high + 1))).encode()
        start[low : high + 1] = len(pool) + np.arange(0, len(block), 3)
        length[low : high + 1] = 3
        pool += block
    for low, high in TABLED:
        for code in range(low, high + 1):
            character = chr(code)
            kind[code] = kind_of(character)
            first = unicodedata.normalize("NFKD", character)[0]
            if first in joins or unicodedata.combining(first):
                continue
            folded = unicodedata.normalize("NFKC", character).casefold()
            form = "".join(" " if part.isspace() else part for part in folded).encode()
            start[code], length[code] = len(pool), len(form)
            pool += form
    return Characters(start, length, np.frombuffer(bytes(pool), dtype=np.uint8), kind)


def _joining() -> frozenset[str]:
    """Characters that may join with the one before them: second in a composition, or a Hangul vowel or tail."""
    hangul = {chr(code) for code in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))}
    # Compositions stand in these blocks only.
    composed = (*range(0x3100), *range(0x11000, 0x12000), *range(0x16000, 0x17000))
    pairs = (unicodedata.decomposition(chr(code)).split() for code in composed)
    return frozenset(hangul | {chr(int(pair[1], 16)) for pair in pairs if len(pair) == 2 and pair[0][0] != "<"})
