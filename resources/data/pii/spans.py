"""Spans of text: choosing among those that overlap, and replacing them."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

EDGES = " \t\r\n\f\v.,;:!?\"'`*()[]{}<>|"


class Span(NamedTuple):
    """Characters ``start`` (included) to ``end`` (excluded) of a text, with the entity type that was found there."""

    start: int
    end: int
    entity: str
    score: float


def trim(text: str, span: Span) -> Span:
    """The span without white space and punctuation at both ends; it may become empty."""
    found = text[span.start : span.end]
    start = span.start + len(found) - len(found.lstrip(EDGES))
    end = max(start, span.start + len(found.rstrip(EDGES)))
    return span._replace(start=start, end=end)


def _uncovered(text: str, span: Span, taken: Sequence[Span]) -> list[Span]:
    """The parts of a span that none of the taken spans covers, without those of punctuation only."""
    parts: list[Span] = []
    start = span.start
    for other in sorted(taken):
        if start < other.end and other.start < span.end:
            parts.append(span._replace(start=start, end=max(start, other.start)))
            start = other.end
    parts.append(span._replace(start=start, end=max(start, span.end)))
    trimmed = (part if part == span else trim(text, part) for part in parts)
    return [part for part in trimmed if part.start < part.end]


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Spans of one entity type that overlap become one, with the higher score."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.entity, s.start, s.end)):
        last = merged[-1] if merged else None
        if last is not None and last.entity == span.entity and span.start < last.end:
            merged[-1] = last._replace(end=max(last.end, span.end), score=max(last.score, span.score))
        else:
            merged.append(span)
    return merged


def resolve(text: str, spans: Iterable[Span]) -> list[Span]:
    """Pick spans that do not overlap, in text order: higher score first, then longer, then earlier.

    Overlapping spans of one entity type are one span, from the start of the first to the end of the last.
    The part of a losing span that no winner covers stays a span of its own, so that no finding is left in the text
    because another one beside it has a higher score.
    """
    taken: list[Span] = []
    for span in sorted(_merged(spans), key=lambda s: (-s.score, s.start - s.end, s.start, s.entity)):
        taken.extend(_uncovered(text, span, taken))
    return sorted(taken)


def replace(text: str, spans: Sequence[Span], placeholder: Callable[[Span], str]) -> str:
    """Replace spans, which are in order and do not overlap, by placeholders; all other text stays as it is."""
    pieces: list[str] = []
    end = 0
    for span in spans:
        pieces += [text[end : span.start], placeholder(span)]
        end = span.end
    return "".join([*pieces, text[end:]])
