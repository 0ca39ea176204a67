"""Written forms of a name that name the same person. They are forgotten with the name."""

from __future__ import annotations

import string
import unicodedata

import polars as pl

from fineline.resources.governance.forgetting.capitals import JOINED, NAMED

# Letters that are no base letter with an accent, and letters that are also written as two.
_LETTERS = {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"}
_PAIRS = {"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae"}
_MOST_WORDS = 4
_TITLES = {"dr", "prof", "professor", "mr", "mrs", "ms", "miss", "sir", "herr", "frau", "mme", "mlle", "dott", "ing"}
# So many letters are no other word; fewer may be: "lina" is a name, and part of "personality".
_LONG = 9


def is_name(text: str) -> bool:
    """Whether a text may be a name: two to four words of two letters or more, and nothing else."""
    words = text.split()
    return 1 < len(words) <= _MOST_WORDS and all(word.isalpha() and len(word) > 1 for word in words)


def in_order(text: str) -> str:
    """A name without titles, with the given name first: a comma between two parts shows that the surname is."""
    words = text.split()
    while words and words[0].rstrip(".").lower() in _TITLES:
        del words[0]
    if is_name(" ".join(words)):
        return " ".join(words)
    surname, comma, given = text.partition(",")
    return f"{given} {surname}" if comma and is_name(f"{given} {surname}") else text


def forms(text: str) -> list[str]:
    """The forms of a text in comparable form: itself, without accents, and with umlauts as two letters.

    A name has each of these, as whole words, with an s at its end, with the surname first, in one word, and with a
    middle initial. Spaces around a form stand for the ends of words.
    """
    plain = _spelt(unicodedata.normalize("NFKD", text), _LETTERS)
    spelt = {
        text,
        "".join(char for char in plain if not unicodedata.combining(char)),
        _spelt(text, _PAIRS),
    }
    return sorted(set[str]().union(*(_of_name(each) if is_name(each) else {each} for each in spelt)))


def spellings(text: pl.Expr) -> list[pl.Expr]:
    """Other spellings of strings in comparable form: without accents, and with umlauts as two letters."""
    plain = text.str.normalize("NFKD").str.replace_all(r"\p{M}", "")
    return [_replaced(plain, _LETTERS), _replaced(text, _PAIRS)]


def _of_name(name: str) -> set[str]:
    *given, surname = name.split(" ")
    joined = {"".join([*given, surname]), "".join([surname, *given])}
    orders = [[*given, surname], [surname, *given], *([*given, letter, surname] for letter in string.ascii_lowercase)]
    return {
        f" {name} ",
        f" {name}s ",
        *(f" {' '.join(NAMED + word for word in order)} " for order in orders),
        *(each if len(each) >= _LONG else f" {JOINED}{each} " for each in joined),
    }


def _spelt(text: str, letters: dict[str, str]) -> str:
    return "".join(letters.get(char, char) for char in text)


def _replaced(text: pl.Expr, letters: dict[str, str]) -> pl.Expr:
    return text.str.replace_many(list(letters), list(letters.values()))
