"""Written forms of a name that name the same person. They are forgotten with the name."""

from __future__ import annotations

import string
import unicodedata

import polars as pl

# Letters that are no base letter with an accent, and letters that are also written as two.
_LETTERS = {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"}
_PAIRS = {"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae"}
_MOST_WORDS = 4


def is_name(text: str) -> bool:
    """Whether a text may be a name: two to four words of two letters or more, and nothing else."""
    words = text.split()
    return 1 < len(words) <= _MOST_WORDS and all(word.isalpha() and len(word) > 1 for word in words)


def forms(text: str) -> list[str]:
    """The forms of a text in comparable form: itself, without accents, and with umlauts as two letters.

    A name has each of these with the surname first, in one word, and with a middle initial.
    """
    plain = _spelt(unicodedata.normalize("NFKD", text), _LETTERS)
    spelt = {
        text,
        "".join(char for char in plain if not unicodedata.combining(char)),
        _spelt(text, _PAIRS),
    }
    return sorted(spelt.union(*(_of_name(each) for each in spelt if is_name(each))))


def spellings(text: pl.Expr) -> list[pl.Expr]:
    """Other spellings of strings in comparable form: without accents, and with umlauts as two letters."""
    plain = text.str.normalize("NFKD").str.replace_all(r"\p{M}", "")
    return [_replaced(plain, _LETTERS), _replaced(text, _PAIRS)]


def _of_name(name: str) -> set[str]:
    *given, surname = name.split(" ")
    first = " ".join(given)
    initials = {f"{first} {letter} {surname}" for letter in string.ascii_lowercase}
    return {f"{surname} {first}", f"{first}{surname}".replace(" ", ""), f"{surname}{first}".replace(" ", ""), *initials}


def _spelt(text: str, letters: dict[str, str]) -> str:
    return "".join(letters.get(char, char) for char in text)


def _replaced(text: pl.Expr, letters: dict[str, str]) -> pl.Expr:
    return text.str.replace_many(list(letters), list(letters.values()))
