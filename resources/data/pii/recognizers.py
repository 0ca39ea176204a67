"""Recognizers in addition to Presidio's: for what its defaults miss, or fetch from the network."""

import re
from typing import Any

import regex
import tldextract
from presidio_analyzer import EntityRecognizer, Pattern, PatternRecognizer, RecognizerResult
from presidio_analyzer.predefined_recognizers import CreditCardRecognizer, EmailRecognizer, UrlRecognizer

# Bounded, or each start within a long word would be tried to its end.
_NAME = r"\p{Lu}[\p{L}'’-]{0,40}\p{Ll}"
_MORE = r"(?:[ \t]+(?:(?:van|von|der|den|de|del|da|di|la|bin|ibn)[ \t]+){0,3}(?:\p{Lu}\.|" + _NAME + "))"
_TITLES = r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sir|Madam|Dear)"
_INTRODUCTIONS = r"(?:[Mm]y name is|[Nn]ame:|[Cc]alls? me|[Aa]uthor:|[Mm]aintainer:|[Cc]ontact:|[Aa]ttn:)"
_NOT_A_NAME = r"(?:By|From|To|Cc|Bcc|Contact|Author|Authors|Maintainer|Email|E-mail|Mail|Write|See|Or|And|At)"
_BY = r"(?:[Ww]ritten|[Aa]uthored|[Mm]aintained|[Dd]eveloped|[Cc]reated|[Ss]igned|[Ss]tarted) by"
# A word of one of the patterns of person_cue_recognizer. Most texts have none.
PERSON_CUE = re.compile(rf"\b{_TITLES}\b|\b{_INTRODUCTIONS}|\b{_BY}|@")


_MARKS = r"!#$%&'*+\-/=?^`{|}~."


class OfflineEmailRecognizer(EmailRecognizer):
    """Presidio's e-mail recognizer with the public suffix list that tldextract ships.

    Presidio's own asks the network for a newer list on first use.
    """

    _suffixes = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())

    def __init__(self) -> None:
        # Upstream's pattern tries each start in a word. Here a local part begins with a word at the beginning of its
        # run of characters, or where the address before it ended.
        local = rf"(?:(?<![{_MARKS}\w])|\G)[{_MARKS}]*+\K\b[{_MARKS}\w]++(?<!\.)"
        domain = r"\w++(?:-++\w++)*+(?:\.\w++(?:-++\w++)*+)++"
        super().__init__(patterns=[Pattern("Email", f"{local}@{domain}", 0.5)])

    def validate_result(self, pattern_text: str) -> bool:
        """An address needs a domain with a public suffix."""
        return bool(self._suffixes(pattern_text).fqdn)


class LinearUrlRecognizer(UrlRecognizer):
    """Presidio's recognizer of URLs, which compares each dot with all domains once, not for each start before it."""

    _domains = re.findall(r"\(\?:(\w+)\)", UrlRecognizer.BASE_URL_REGEX)
    _other_dot = regex.compile(r"\.(?!\L<domains>)", regex.IGNORECASE, domains=_domains)

    def analyze(self, text: str, *arguments: Any, **named: Any) -> list[RecognizerResult]:
        """The URLs of a text, in which a hyphen may stand wherever a dot may that ends no name of a host."""
        found: list[RecognizerResult] = super().analyze(self._other_dot.sub("-", text), *arguments, **named)
        return found


def card_recognizer() -> EntityRecognizer:
    """Presidio's card recognizer (Luhn checked), with the issuer ranges of ISO/IEC 7812 that it leaves out."""
    return CreditCardRecognizer(
        patterns=[
            *CreditCardRecognizer.PATTERNS,
            Pattern(
                "Mastercard 2221-2720",
                r"\b2(?:22[1-9]|2[3-9]\d|[3-6]\d{2}|7[01]\d|720)(?:[- ]?\d{4}){3}\b",
                0.3,
            ),
            Pattern("19 digits", r"\b[46]\d{3}(?:[- ]?\d{4}){3}[- ]?\d{3}\b", 0.3),
            Pattern("JCB 15 digits", r"\b(?:2131|1800)\d{11}\b", 0.3),
        ]
    )


def phone_shape_recognizer() -> EntityRecognizer:
    """Numbers written as telephone numbers are, also where no such area code was ever given out.

    Presidio's recognizer asks whether a number is in use by the numbering plan, and misses made-up, new and
    mistyped ones.
    """
    return PatternRecognizer(
        supported_entity="PHONE_NUMBER",
        name="PhoneShapeRecognizer",
        patterns=[
            Pattern(
                "North American",
                r"(?<![\w.+-])(?:\+?1[-. ]?|001[-. ]?)?(?:\(\d{3}\)[ ]?|\d{3}[-. ])\d{3}[-. ]\d{4}"
                r"(?:[ ]?(?:x|ext\.?)[ ]?\d{1,6})?(?![\w-])",
                0.5,
            ),
            Pattern(
                "International", r"(?<![\w+])\+[1-9]\d{0,2}(?:[-. ]?\(?\d{1,5}\)?){2,5}(?:[ ]?x\d{1,6})?(?!\w)", 0.5
            ),
        ],
        context=["phone", "number", "telephone", "cell", "mobile", "call", "fax"],
    )


def person_cue_recognizer() -> EntityRecognizer:
    """Names by the words that announce one, or by the address that follows, where the model misses them."""
    return PatternRecognizer(
        supported_entity="PERSON",
        name="PersonCueRecognizer",
        patterns=[
            Pattern("Title", rf"(?<=\b{_TITLES}\.?[ \t]){_NAME}{_MORE}{{0,3}}", 0.85),
            Pattern("Introduction", rf"(?<=\b{_INTRODUCTIONS}[ \t]){_NAME}{_MORE}{{0,3}}", 0.85),
            Pattern("By", rf"(?<=\b{_BY}\s){_NAME}{_MORE}{{1,3}}", 0.85),
            Pattern(
                "Mailbox", rf"\b(?!{_NOT_A_NAME}\b){_NAME}{_MORE}{{0,3}}(?=,?[ \t]*[<(\[][^\s<>()@]{{1,80}}@\w)", 0.85
            ),
        ],
        # Unlike Presidio's patterns these need capitals.
        global_regex_flags=re.MULTILINE,
    )
