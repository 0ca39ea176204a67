"""Texts that are made to slow a pattern down, and how its time grows with their length."""

import gc
import re
import signal
import time
from collections.abc import Callable, Iterator
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

# Each variant prefers another character where several fit, so that neighbouring repeats share one.
_PREFERRED = ["aA0 .", "A0a-", "0aA/ ", " \t.-_aA"]
_PALETTE = "aA0 _-.,/:=@+%&#$!?'\"\\<>()[]{}*|~^;\t\n\réß中\u2028\0"
_CATEGORIES = {
    codes.CATEGORY_DIGIT: r"\d",
    codes.CATEGORY_NOT_DIGIT: r"\D",
    codes.CATEGORY_SPACE: r"\s",
    codes.CATEGORY_NOT_SPACE: r"\S",
    codes.CATEGORY_WORD: r"\w",
    codes.CATEGORY_NOT_WORD: r"\W",
}
_REPEATS = {codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT}
# A repeat that is bounded at fewer characters costs a constant.
_LONG = 20
# What only the package regex knows: properties, the end of the last match, and where a match begins.
_PROPERTIES = {r"\p{Lu}": "A", r"\p{Ll}": "a", r"\p{L}": "a", r"\G": "", r"\K": ""}

Node = tuple[Any, Any]


class Pumps:
    """Texts of about a length, made for the repeats of one pattern."""

    def __init__(self, pattern: str, flags: int = 0) -> None:
        for written, letter in _PROPERTIES.items():
            pattern = pattern.replace(written, letter)
        known = re.IGNORECASE | re.MULTILINE | re.DOTALL | re.VERBOSE | re.ASCII
        self._nodes: list[Node] = list(parser.parse(pattern, flags & known))
        self._variant = 0

    def texts(self, length: int) -> Iterator[str]:
        """Distinct texts."""
        seen: dict[tuple[str, str], None] = {}
        for self._variant in range(len(_PREFERRED)):
            seen |= dict.fromkeys(self._pumps(self._nodes, ""))
        for lead, body in seen:
            bodies = body * (length // len(body))
            yield lead + bodies
            yield f"{lead}{bodies}\n \0"
            if lead:
                yield (lead + body) * (length // len(lead + body))

    def _pumps(self, nodes: list[Node], lead: str) -> Iterator[tuple[str, str]]:
        for node in nodes:
            kind, value = node
            if kind in _REPEATS:
                _, highest, inner = value
                body = self._sample(inner)
                if highest >= _LONG and body:
                    yield lead, body
                    yield "", body
                yield from self._pumps(inner, lead)
            else:
                for inner in _parts(kind, value):
                    yield from self._pumps(inner, lead)
            lead += self._sample([node])

    def _sample(self, nodes: list[Node]) -> str:
        return "".join(self._one(kind, value) for kind, value in nodes)

    def _one(self, kind: Any, value: Any) -> str:
        if kind is codes.LITERAL:
            return chr(value)
        if kind in (codes.NOT_LITERAL, codes.ANY, codes.IN):
            return self._character(kind, value)
        if kind in _REPEATS:
            lowest, highest, inner = value
            return self._sample(inner) * max(lowest, min(highest, 1))
        if kind is codes.BRANCH:
            return self._sample(value[1][self._variant % len(value[1])])
        if kind in (codes.SUBPATTERN, codes.ATOMIC_GROUP):
            return self._sample(value[-1] if kind is codes.SUBPATTERN else value)
        return ""

    def _character(self, kind: Any, value: Any) -> str:
        for character in _PREFERRED[self._variant] + _PALETTE:
            if kind is codes.NOT_LITERAL:
                fits = ord(character) != value
            else:
                fits = kind is codes.ANY or _accepts(value, character)
            if fits:
                return character
        first = next((each for each in value if each[0] in (codes.LITERAL, codes.RANGE)), None)
        return "" if first is None else chr(first[1] if first[0] is codes.LITERAL else first[1][0])


def _parts(kind: Any, value: Any) -> Iterator[list[Node]]:
    if kind is codes.BRANCH:
        yield from value[1]
    elif kind is codes.SUBPATTERN:
        yield value[-1]
    elif kind is codes.ATOMIC_GROUP:
        yield value
    elif kind in (codes.ASSERT, codes.ASSERT_NOT):
        yield value[1]


def _accepts(items: list[Node], character: str) -> bool:
    negated = bool(items) and items[0][0] is codes.NEGATE
    for kind, value in items[negated:]:
        if (
            (kind is codes.LITERAL and ord(character) == value)
            or (kind is codes.RANGE and value[0] <= ord(character) <= value[1])
            or (kind is codes.CATEGORY and re.match(_CATEGORIES[value], character))
        ):
            return not negated
    return negated


class TooSlow(BaseException):
    """A call takes longer than it may."""


def seconds(run: Callable[[str], object], text: str, limit: float) -> float:
    """The processor time of a call, or ``limit`` where it takes longer; the call is interrupted there."""

    def stop(*_: object) -> None:
        raise TooSlow

    gc.disable()  # What is raised within a collection is lost.
    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit)
    started = time.thread_time()
    try:
        run(text)
        return time.thread_time() - started
    except TooSlow:
        return limit
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        gc.enable()
