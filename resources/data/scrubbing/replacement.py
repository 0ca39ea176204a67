"""What replaces personal data: placeholders such as ``<PERSON>``, pseudonyms, and hashes of names.

The same value always becomes the same pseudonym, and only the key tells which. Each is drawn by HMAC-SHA256 of the
normalised value, so that it needs no table and is the same in every record, batch and run. The forms are plausible, and
where a standard reserves a range they cannot belong to anybody: domains of RFC 2606, telephone numbers 555-0100 to
555-0199, card and bank account numbers whose check digits are wrong, addresses of RFC 2544 and RFC 3849, social
security numbers that are never issued. A name, a street or a place is made of Faker's lists, and somebody may bear it.

Names are replaced word by word: "Jane" is the same in "Jane Doe", "Jane" and "Doe, Jane". Titles and particles
stay. Two different words share a pseudonym once in some 2,000 pairs of first names and 6,000 of surnames;
two telephone numbers once in 79,000 pairs, IPv4 addresses in 131,000; the others practically never.
"""

import ipaddress
import re
import unicodedata
import uuid
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import NamedTuple

from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.data.pii.spans import Span, replace

_LOCALES = ["en_US", "en_GB", "en_IE", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "sv_SE", "pl_PL"]
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_POSSESSIVE = re.compile(r"['’][sS]\Z")
_LATIN_WORD = re.compile(r"[A-Z][a-z]{2,}")
_INITIALS = list("ABCDEFGHJKLMNOPRSTVW")
# Titles are kept before another word, particles in lower case: "Lord" and "Del" are names as well.
_TITLE = re.compile(r"mrs?|ms|miss|mx|dr|prof|professor|sir|madam|lady|lord|dear")
_PARTICLE = re.compile(r"van|von|der|den|de|del|della|di|da|dos?|du|la|le|el|bin|ibn|ter|ten|zum?|y")
_SUFFIX = re.compile(r"jr|sr|iii?|iv|phd|md")


class Cleaned(NamedTuple):
    """A text with its spans replaced, and the entity type of each in text order."""

    text: str
    entities: tuple[str, ...]


class Replacer:
    """Replaces each span as the recipe asks, by ``<TYPE>`` or by the value's pseudonym."""

    def __init__(self, section: Scrub, key: PseudonymKey) -> None:
        self._key = key
        self._with_pseudonym = {entity for entity, form in section.replacement.items() if form == "pseudonym"}

    def clean(self, text: str, spans: Sequence[Span]) -> Cleaned:
        """Replace the spans, which are in order and do not overlap; all other text stays as it is."""

        def stand_in(span: Span) -> str:
            if span.entity in self._with_pseudonym:
                return pseudonym(self._key, span.entity, text[span.start : span.end])
            return f"<{span.entity}>"

        return Cleaned(replace(text, spans, stand_in), tuple(span.entity for span in spans))

    def hashed(self, kind: str, value: str) -> str:
        """The replacement of a name that ties records or values together: ``kind-`` and 16 hex digits of its hash.

        Equal values have equal hashes, so that groups stay together; without the key nobody can tell the value.
        """
        return f"{kind}-{self._key.digest(kind, value).hex()[:16]}"


class _Draw:
    """Numbers that depend on the key, the entity type and the value."""

    def __init__(self, key: PseudonymKey, entity: str, value: str) -> None:
        self._key, self._entity, self._value = key, entity, value
        self._pool = 0
        self._left = 0
        self._block = 0

    def below(self, bound: int) -> int:
        """A number from 0 to below ``bound`` (at most 2^64), uniform to one part in 2^64."""
        if self._left < 128:
            digest = self._key.digest("pseudonym", self._entity, self._value, str(self._block))
            self._pool, self._left, self._block = int.from_bytes(digest, "big"), 256, self._block + 1
        self._pool, number = divmod(self._pool, 1 << 128)
        self._left -= 128
        return number % bound

    def pick(self, values: Sequence[str]) -> str:
        return values[self.below(len(values))]

    def like(self, value: str) -> str:
        """Another digit for each digit and another letter for each ASCII letter; the rest stays."""
        alphabets = ["0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"]
        return "".join(next((self.pick(a) for a in alphabets if c in a), c) for c in value)


def pseudonym(key: PseudonymKey, entity: str, value: str) -> str:
    """The pseudonym of a value. It differs from the value, and each word of a name from the word it replaces.

    Raises KeyError for an entity type that has no pseudonyms.
    """
    if entity == "PERSON":
        return _WORD.sub(lambda match: _name_word(key, match[0], rest=value[match.end() :]), value)
    make = MAKERS[entity]
    normal = re.sub(r"[\s()./-]+", "", unicodedata.normalize("NFKC", value)).casefold()
    attempt = 0
    while (made := make(_Draw(key, entity, f"{normal}\0{attempt}"), value)) == value:
        attempt += 1
    return made


def _name_word(key: PseudonymKey, word: str, rest: str) -> str:
    ending = _POSSESSIVE.search(word)
    stem = word[: ending.start()] if ending else word
    normal = unicodedata.normalize("NFKC", stem).casefold()
    if _PARTICLE.fullmatch(word) or _SUFFIX.fullmatch(normal) or (_TITLE.fullmatch(normal) and _WORD.search(rest)):
        return word
    draw = _Draw(key, "PERSON", normal)
    pool = _INITIALS if len(normal) == 1 else name_pool(normal)
    while (made := draw.pick(pool)).casefold() in normal or normal in made.casefold():
        pass
    return _in_case_of(stem, made) + word[len(stem) :]


@cache
def _names(kind: str) -> frozenset[str]:
    found: set[str] = set()
    for locale in _LOCALES:
        provider = import_module(f"faker.providers.person.{locale}").Provider
        found.update(name for name in getattr(provider, kind, ()) if _LATIN_WORD.fullmatch(name))
    return frozenset(found)


@cache
def _pools() -> tuple[list[str], list[str], list[str], dict[str, int]]:
    female, male = _names("first_names_female"), _names("first_names_male")
    pools = sorted(female - male), sorted(male - female), sorted(_names("last_names"))
    kinds = {name.casefold(): kind for kind, names in enumerate(pools[:2]) for name in names}
    return *pools, kinds


def name_pool(word: str) -> list[str]:
    """The names from which a word's pseudonym is drawn: women's or men's first names, or surnames."""
    *pools, kinds = _pools()
    return pools[kinds.get(word, 2)]


def _in_case_of(word: str, made: str) -> str:
    if word.isupper() and len(word) > 1:
        return made.upper()
    return made.lower() if word.islower() else made


def _email(draw: _Draw, value: str) -> str:
    female, male, surnames, _ = _pools()
    local = f"{draw.pick(female + male)}.{draw.pick(surnames)}{draw.below(1000)}".lower()
    return f"{local}@example.{draw.pick(['com', 'net', 'org'])}"


def _phone(draw: _Draw, value: str) -> str:
    area = draw.pick([f"{area}" for area in range(200, 1000) if area % 100 != 11])
    return f"{area}-555-01{draw.below(100):02}"


def _card(draw: _Draw, value: str) -> str:
    made = value[:1] + draw.like(value[1:])
    last = max(index for index, character in enumerate(made) if character.isdigit())
    wrong = next(digit for digit in "0123456789" if _luhn(made[:last] + digit))
    return f"{made[:last]}{(int(wrong) + 1 + draw.below(9)) % 10}{made[last + 1 :]}"


def _luhn(number: str) -> bool:
    digits = [int(character) for character in reversed(number) if character.isdigit()]
    return sum(sum(divmod(digit * (1 + place % 2), 10)) for place, digit in enumerate(digits)) % 10 == 0


def _iban(draw: _Draw, value: str) -> str:
    # Check digits are 02 to 98.
    return re.sub(r"\d(\W?)\d", r"0\g<1>0", value[:5], count=1) + draw.like(value[5:])


def _ip(draw: _Draw, value: str) -> str:
    if ":" in value:
        return str(ipaddress.IPv6Address((0x20010DB8 << 96) | draw.below(1 << 64)))
    return str(ipaddress.IPv4Address("198.18.0.0") + draw.below(1 << 17))


def _ssn(draw: _Draw, value: str) -> str:
    # No number begins with 9; those that do are taxpayer numbers, with 50 and more in the middle.
    mark = next((character for character in value if not character.isdigit()), "")
    return mark.join([f"{900 + draw.below(100)}", f"{1 + draw.below(49):02}", f"{1 + draw.below(9999):04}"])


def _mac(draw: _Draw, value: str) -> str:
    # The second digit of an address that no manufacturer gave is 2, 6, a or e.
    made = re.sub("[0-9A-Fa-f]", lambda _: draw.pick("0123456789abcdef"), value)
    return made[:1] + "2" + made[2:]


def _place(draw: _Draw, value: str) -> str:
    suffixes = import_module("faker.providers.address.en_US").Provider.city_suffixes
    return draw.pick(_pools()[2]) + draw.pick(suffixes)


def _street(draw: _Draw, value: str) -> str:
    suffixes = import_module("faker.providers.address.en_US").Provider.street_suffixes
    return f"{1 + draw.below(9999)} {draw.pick(_pools()[2])} {draw.pick(suffixes)}"


MAKERS: dict[str, Callable[[_Draw, str], str]] = {
    "CREDIT_CARD": _card,
    "EMAIL_ADDRESS": _email,
    "IBAN_CODE": _iban,
    "IP_ADDRESS": _ip,
    "LOCATION": _place,
    "MAC_ADDRESS": _mac,
    "PHONE_NUMBER": _phone,
    "STREET_ADDRESS": _street,
    "URL": lambda draw, value: f"https://example.com/{draw.below(1 << 64):016x}",
    "US_SSN": _ssn,
    "UUID": lambda draw, value: str(uuid.UUID(int=(draw.below(1 << 64) << 64) | draw.below(1 << 64), version=4)),
}
