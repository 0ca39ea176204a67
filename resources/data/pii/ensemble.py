"""Names and addresses by two models: Rampart's token probabilities combined with what spaCy and patterns found.

Rampart alone takes too many words for names in social media; spaCy misses unusual names. A name counts where
Rampart is sure of it, or where spaCy finds a person and Rampart does not rule one out.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

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
_WITHIN_PLACE = re.compile(r"[\s\S]?")
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
        words = (
            Span(*match.span(), "PERSON", self._probability(*match.span())) for match in _WORD.finditer(self._text)
        )
        for run in self._runs((word for word in words if word.score >= _POSSIBLE), _WITHIN_NAME):
            name = _joined(run, "PERSON")
            if name.score >= _SURE:
                yield name

    def rules_out(self, span: Span) -> bool:
        """Whether Rampart excludes that any word of a person that spaCy found is a name."""
        words = _WORD.finditer(self._text, span.start, span.end)
        return max((self._probability(*word.span()) for word in words), default=0.0) < _NOT_RULED_OUT

    def addresses(self, found: Sequence[Span]) -> Iterator[Span]:
        """Street addresses, joined from Rampart's tokens and the ``found`` streets, and places that belong to none.

        Parts without a street, a box or a postal code among them are places.
        """
        parts = [span._replace(entity="STREET_NAME") for span in found]
        for token in self._tokens:
            if token.label in _ADDRESS and token.score >= _ADDRESS_SURE:
                parts.append(Span(token.start, token.end, token.label, token.score))
        for run in self._runs(sorted(parts), _WITHIN_ADDRESS):
            code = max((part.score for part in run if part.entity == "ZIP_CODE"), default=0.0)
            if code >= _CODE_SURE or not _STREET.isdisjoint(part.entity for part in run):
                yield _joined(run, STREET_ADDRESS)
            else:
                places = (part for part in run if part.entity in _PLACE)
                yield from (_joined(place, "LOCATION") for place in self._runs(places, _WITHIN_PLACE))

    def _runs(self, parts: Iterable[Span], between: re.Pattern[str]) -> Iterator[list[Span]]:
        """Cut the parts, in text order, into runs: between two parts of a run the text matches."""
        run: list[Span] = []
        for part in parts:
            if run and not between.fullmatch(self._text, run[-1].end, max(run[-1].end, part.start)):
                yield run
                run = []
            run.append(part)
        if run:
            yield run

    def _probability(self, start: int, end: int) -> float:
        first = max(0, bisect_right(self._starts, start) - 1)
        highest = 0.0
        for token in self._tokens[first:]:
            if token.start >= end:
                break
            if token.end > start and token.name > highest and self._text[token.start].isalpha():
                highest = token.name
        return highest


def _joined(run: Sequence[Span], entity: str) -> Span:
    return Span(run[0].start, max(part.end for part in run), entity, max(part.score for part in run))
