"""Names and addresses by two models: Rampart's token probabilities combined with what spaCy and patterns found.

Rampart alone takes too many words for names in social media; spaCy misses unusual names. A name counts where
Rampart is sure of it, or where spaCy finds a person and Rampart does not rule one out.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from fineline.resources.data.pii.addresses import ENTITY as STREET_ADDRESS
from fineline.resources.data.pii.rampart import Token
from fineline.resources.data.pii.spans import Span

# The least probability of a name's surest word, and of each of its words; and the least of one word with which a
# person that spaCy found is kept. Chosen on WNUT 2016 and 2017 and on sentences of WikiGold; between 0.6 and 0.8
# little changes.
_SURE = 0.7
_POSSIBLE = 0.3
_NOT_RULED_OUT = 0.05
_ADDRESS_SURE = 0.5
_CODE_SURE = 0.7

_WORD = re.compile(r"[^\W\d_]+(?:['’.-][^\W\d_]+)*\.?")
_WITHIN_NAME = re.compile(r"[ \t]{0,2}")
_WITHIN_ADDRESS = re.compile(r"[\s,.;:>/#-]{0,8}")
_STREET = {"STREET_NAME", "SECONDARY_ADDRESS"}
_PLACE = {"CITY", "STATE"}
_ADDRESS = {"BUILDING_NUMBER", "ZIP_CODE", *_STREET, *_PLACE}


class Ensemble:
    """The two models' view of one text, given Rampart's tokens."""

    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._starts = [token.start for token in tokens]

    def names(self) -> Iterator[Span]:
        """Runs of words that Rampart is sure to be names of people, also in lower case."""
        run: list[tuple[int, int, float]] = []
        for match in _WORD.finditer(self._text):
            probability = self._probability(*match.span())
            if run and (probability < _POSSIBLE or not _WITHIN_NAME.fullmatch(self._text, run[-1][1], match.start())):
                yield from _person(run)
                run = []
            if probability >= _POSSIBLE:
                run.append((*match.span(), probability))
        yield from _person(run)

    def rules_out(self, span: Span) -> bool:
        """Whether Rampart excludes that any word of a person that spaCy found is a name."""
        words = _WORD.finditer(self._text, span.start, span.end)
        return max((self._probability(*word.span()) for word in words), default=0.0) < _NOT_RULED_OUT

    def addresses(self, found: Sequence[Span]) -> Iterator[Span]:
        """Street addresses, joined from Rampart's tokens and the ``found`` streets, and places that belong to none."""
        group: list[tuple[int, int, str, float]] = []
        for part in self._parts(found):
            if group and not _WITHIN_ADDRESS.fullmatch(self._text, group[-1][1], max(group[-1][1], part[0])):
                yield from _address(group)
                group = []
            group.append(part)
        yield from _address(group)

    def _parts(self, found: Sequence[Span]) -> list[tuple[int, int, str, float]]:
        parts = [(span.start, span.end, "STREET_NAME", span.score) for span in found]
        for token in self._tokens:
            if token.label in _ADDRESS and token.score >= _ADDRESS_SURE:
                parts.append((token.start, token.end, token.label, token.score))
        return sorted(parts)

    def _probability(self, start: int, end: int) -> float:
        first = max(0, bisect_right(self._starts, start) - 1)
        highest = 0.0
        for token in self._tokens[first:]:
            if token.start >= end:
                break
            if token.end > start and token.name > highest and self._text[token.start].isalpha():
                highest = token.name
        return highest


def _person(run: Sequence[tuple[int, int, float]]) -> Iterator[Span]:
    if run and (highest := max(probability for _, _, probability in run)) >= _SURE:
        yield Span(run[0][0], run[-1][1], "PERSON", highest)


def _address(group: Sequence[tuple[int, int, str, float]]) -> Iterator[Span]:
    """A group of address parts as one street address; as places where it has no street, box or postal code."""
    labels = {label for _, _, label, _ in group}
    code = max((score for _, _, label, score in group if label == "ZIP_CODE"), default=0.0)
    if labels & _STREET or code >= _CODE_SURE:
        end = max(end for _, end, _, _ in group)
        yield Span(group[0][0], end, STREET_ADDRESS, max(score for _, _, _, score in group))
        return
    place: Span | None = None
    for start, end, label, score in group:
        if label not in _PLACE:
            continue
        if place is not None and start <= place.end + 1:
            place = place._replace(end=end, score=max(place.score, score))
        else:
            if place is not None:
                yield place
            place = Span(start, end, "LOCATION", score)
    if place is not None:
        yield place
