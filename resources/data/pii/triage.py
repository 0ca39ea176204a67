"""Decides which texts are sent to the second, slower model: those that the first one leaves open."""

import re
from collections.abc import Container
from functools import cache
from itertools import chain

from spacy.lang.en.stop_words import STOP_WORDS
from spacy.tokens import Doc, Token

_LOWER_WORDS = re.compile(r"[^\W\d_]{4,}")
# What spaCy labels as one of these is hardly ever a person.
_SETTLED = {
    "CARDINAL", "DATE", "LANGUAGE", "LAW", "MONEY", "NORP", "ORDINAL", "PERCENT", "QUANTITY", "TIME",
}  # fmt: skip
_DIGIT = re.compile(r"\d")
_ADDRESS_CUE = re.compile(
    r"\b(?:address(?:es)?|street|avenue|ave|road|apt|apartment|suite|flat|zip|postal|postcode|p\.?o\.? box|"
    r"lives? (?:at|in|on)|located at|deliver(?:y|ed)?|ship(?:ping|ped)?|mail(?:ed)? to|sent? to|moved to|based at)\b",
    re.IGNORECASE,
)
_NUMBER_BESIDE_NAME = re.compile(
    r"(?<![\w.,$£€#:/-])(?!(?:1[89]|20)\d\d\b)\d{1,5}[A-Za-z]?,? [^\W\d_a-z][^\W\d_]{2,}"
    r"|(?<![^\W\d_])[a-z]*+[^\W\d_a-z][^\W\d_]{3,}+,? (?!(?:1[89]|20)\d\d\b)\d{1,5}\b(?![.,:]?\d|%|st|nd|rd|th)"
)
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_MONTHS = re.compile(rf"\b{_MONTH}\w*\.? \d|\d {_MONTH}")


def may_name_someone(doc: Doc) -> bool:
    """Whether a text has a word that may be a name and that spaCy leaves open.

    Settled are what spaCy labels as a date, number or nationality, persons of two words or more, and the
    first word of a sentence, unless that is a known given name or the next word has a capital too. A text
    without capitals is open where it has a word that is a given name in some country.
    """
    settled = {
        token.i
        for span in doc.ents
        if span.label_ in _SETTLED or (span.label_ == "PERSON" and sum(map(_has_capital, span)) > 1)
        for token in span
    }
    labelled = {token.i for span in doc.ents for token in span}
    capitals = False
    starts = True
    for token in doc:
        if _has_capital(token):
            capitals = capitals or token.i > 0
            opening = starts and token.i not in labelled
            if token.i not in settled and (
                not opening or token.lower_ in given_names() or _begins_a_name(doc, token.i, settled)
            ):
                return True
        starts = token.is_punct or token.is_space
    return not capitals and not given_names().isdisjoint(_LOWER_WORDS.findall(doc.text.lower()))


def _has_capital(token: Token) -> bool:
    """Whether a token is a word that begins with a capital, and not a short word in capitals only."""
    text = token.text
    return text[0].isupper() and text.isalpha() and (not text.isupper() or len(text) > 3)


def _begins_a_name(doc: Doc, index: int, settled: Container[int]) -> bool:
    following = index + 1
    is_open = following < len(doc) and following not in settled and _has_capital(doc[following])
    return is_open and doc[index].lower_ not in STOP_WORDS


def may_hold_address(text: str) -> bool:
    """Whether a text may hold a part of an address: a number, with an address word or beside a name."""
    if not _DIGIT.search(text):
        return False
    return bool(_ADDRESS_CUE.search(text) or (_NUMBER_BESIDE_NAME.search(text) and not _MONTHS.search(text)))


@cache
def given_names() -> frozenset[str]:
    """Given names of several countries in lower case, without those that are also ordinary English words."""
    from faker.providers.person import de_DE, en_GB, en_US, es_ES, fr_FR, it_IT

    names = chain.from_iterable(locale.Provider.first_names for locale in (en_US, en_GB, de_DE, es_ES, fr_FR, it_IT))
    words = {name.lower() for name in names if name.isalpha() and len(name) > 3}
    return frozenset(words - STOP_WORDS - _ORDINARY)


_ORDINARY = frozenset(
    """
    april august autumn chase christian crystal dale dawn destiny earl faith frank gene glen grace grant hope
    hunter iris ivory jade jasmine jewel june lance lily mark mason melody mercedes miles misty norma page
    pearl penny rich robin rose ruby sandy sandra shelby sierra stormy summer taylor tiffany trinity violet
    wade will woody angel amber ginger holly jack bill drew sally
    """.split()  # noqa: SIM905
)
