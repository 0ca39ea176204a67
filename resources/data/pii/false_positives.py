"""Matches of patterns that look like personal data and are not: false positives in technical text.

A match is one where it is

- an IP address that names no machine: loopback, unspecified, netmask; or fewer than three groups of hex
  digits outside the assigned IPv6 ranges (``be::``, ``[1::2]``);
- a version: four numbers after ``v``, ``version``, ``==`` and the like, or more than four;
- a phone number of fewer than seven digits, or one that is a date, a span of years, a decimal number, a
  version, an IPv4 address, an ISBN, the ``#number`` of an issue or the digits that end an identifier
  (``comment-12345678``);
- the user ``git`` of a repository's address (``git@host:path``).
"""

import ipaddress
import re
from collections.abc import Callable

from fineline.resources.data.pii.spans import Span

_VERSION_BEFORE = re.compile(r"(?:\bv|[=<>~!]=|[<>]|\b(?:version|release|ver\.?)\W{0,3})[ ]?\Z", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|^\(?[12]\d{3}\s?[-–]\s?[12]\d{3}\)?$")
_DECIMAL = re.compile(r"\d+\.\d+")
_DOTTED = re.compile(r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d.])")
_GLUED_BEFORE = re.compile(r"[A-Za-z][-_/]\Z")
_NUMBER_BEFORE = re.compile(r"(?:\d\.|#|\bISBN\b\W{0,4})\Z", re.IGNORECASE)
_ASSIGNED_IPV6 = [ipaddress.IPv6Network(range) for range in ("2000::/3", "fc00::/7", "fe80::/10")]


def _is_machine(text: str, span: Span) -> bool:
    found, before = text[span.start : span.end], text[max(0, span.start - 12) : span.start]
    address = ipaddress.ip_interface(found).ip
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        longer = re.match(r"\.\d", text[span.end :]) or re.search(r"\d\.\Z", before)
        return not (address.is_reserved or longer or _VERSION_BEFORE.search(before))
    groups = re.findall(r"[0-9A-Fa-f]+", found.split("%")[0].split("/")[0])
    return len(groups) > 2 or any(address in network for network in _ASSIGNED_IPV6)


def _is_phone(text: str, span: Span) -> bool:
    found, before = text[span.start : span.end], text[max(0, span.start - 12) : span.start]
    if sum(character.isdigit() for character in found) < 7 or _NUMBER_BEFORE.search(before):
        return False
    if re.fullmatch(r"(?:\d{1,3}\.){3}\d{1,3}(?:/\d+)?", found) or _DECIMAL.fullmatch(found):
        return False
    if text[span.end : span.end + 2].strip(".").isdigit() or (found.isdigit() and _GLUED_BEFORE.search(before)):
        return False
    return not _DATE.search(found) and not any(map(_is_version, _DOTTED.findall(found)))


def _is_version(dotted: str) -> bool:
    """Whether it is three short numbers, or more with a later one of a single digit; 01.23.45.67.89 is neither."""
    numbers = dotted.split(".")
    return (len(numbers) == 3 and len(dotted) < 10) or any(len(number) == 1 for number in numbers[1:])


def _is_mailbox(text: str, span: Span) -> bool:
    return not (text.startswith("git@", span.start) and text.startswith(":", span.end))


_PLAUSIBLE: dict[str, Callable[[str, Span], bool]] = {
    "IP_ADDRESS": _is_machine,
    "PHONE_NUMBER": _is_phone,
    "EMAIL_ADDRESS": _is_mailbox,
}


def is_false_positive(text: str, span: Span) -> bool:
    """Whether a match of a pattern recognizer cannot be personal data."""
    plausible = _PLAUSIBLE.get(span.entity)
    return plausible is not None and not plausible(text, span)
