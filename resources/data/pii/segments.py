"""Cutting texts into segments, the pieces that are analysed and cached once for each distinct one."""

import re
from collections.abc import Iterator
from itertools import groupby

SEGMENT_CHARACTERS = 20_000
# Longer than a line of wrapped prose or mail.
_LONG_LINE = 120
_FENCED = re.compile(r"((?:```|~~~).*?(?:```|~~~|\Z))", re.DOTALL)
# A sentence ends after a lower-case word, a number or a closing mark, never after an initial or a short
# abbreviation such as "Dr." or "St.": a name must not be cut in two.
_END = r"(?:(?<=[a-z]{4}[.!?])|(?<=[a-z]{2} [.!?])|(?<=\d{3}[.!?])|(?<=[a-z]{3}[.!?][\"'”’)\]])|(?<=[a-z][!?]))"
_LINE_OF_SENTENCES = re.compile(rf"{_END}[ \t]*\n\s*")
_SENTENCE = re.compile(rf"{_END}[ \t]+(?=[\"'“‘(\[]?[A-Z0-9])")
_ABBREVIATION = re.compile(r"\b(?:[Pp]rof|[Ss]ept|[Ii]nsp|[Cc]apt|[Bb]rig|[Ss]upt|[Mm]essrs|[Aa]ssoc|[Cc]orp)\.\s*\Z")


def cut(text: str, limit: int = SEGMENT_CHARACTERS) -> list[str]:
    """Cut a text into segments of at most ``limit`` characters that join to it.

    A segment ends where a sentence ends with its line, and a long line is cut into its sentences, so that
    passages that many records share are analysed once. Other lines stay together: an address may take several, and
    so may a wrapped sentence. A fenced block of code is one segment. A longer segment than the limit is cut at a blank
    line, else at a line end, else at a space, so that memory stays bounded.
    """
    if len(text) <= min(limit, _LONG_LINE):
        return [text]
    parts = _FENCED.split(text) if "```" in text or "~~~" in text else [text]
    return [
        segment
        for number, part in enumerate(parts)
        for passage in ([part] if number % 2 else _prose(part))
        for segment in _within(limit, passage)
    ]


def bounded(text: str) -> list[str]:
    """A text that is no prose, such as a key or a label, in pieces of at most SEGMENT_CHARACTERS that join to it."""
    return list(_within(SEGMENT_CHARACTERS, text))


def _prose(text: str) -> Iterator[str]:
    for lines in _split(_LINE_OF_SENTENCES, text):
        for is_long, passage in groupby(lines.splitlines(keepends=True), key=lambda line: len(line) > _LONG_LINE):
            if is_long:
                for line in passage:
                    yield from _split(_SENTENCE, line)
            else:
                yield "".join(passage)


def _split(end_of: re.Pattern[str], text: str) -> Iterator[str]:
    start = 0
    for end in end_of.finditer(text):
        if not _ABBREVIATION.search(text, max(start, end.end() - 12), end.end()):
            yield text[start : end.end()]
            start = end.end()
    yield text[start:]


def _within(limit: int, text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > limit:
        ends = (text.rfind(mark, start, start + limit) + len(mark) for mark in ("\n\n", "\n", " "))
        end = next((end for end in ends if end > start + limit // 2), start + limit)
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]
