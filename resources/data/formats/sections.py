"""A document cut into sections at its headings, each of a length that a model can be trained on."""

import re
from collections.abc import Iterator

MINIMUM_CHARACTERS = 100
MAXIMUM_CHARACTERS = 4000

FENCE = re.compile(r"\s{0,3}(```|~~~)")
HASH_HEADING = re.compile(r"#{1,6}\s+\S")
UNDERLINE = re.compile(r"([=\-~^\"#*+])\1{2,}\s*")
NO_SPACE = re.compile(r"\S")
NOT_IN_TITLES = (" ", "\t", "|", "-")


def sections(text: str) -> list[str]:
    """Sections of a Markdown or reStructuredText document, in order, each of at most 4,000 characters.

    A section under 100 characters goes with the next one (the last with the one before), where both fit
    together. Longer ones are cut at paragraphs, then at lines, then at words. Together the sections hold all
    of the text but white space. A text of white space alone has none.
    """
    parts = [part.strip() for part in _at_headings(text.replace("\r\n", "\n").split("\n"))]
    pieces = [piece for part in parts if part for piece in _pieces(part)]
    return _without_tiny(pieces)


def _at_headings(lines: list[str]) -> Iterator[str]:
    start, fenced = 0, False
    for place, line in enumerate(lines):
        if FENCE.match(line):
            fenced = not fenced
            continue
        if fenced:
            continue
        heading = _heading_start(lines, place)
        if heading is not None and heading > start:
            yield "\n".join(lines[start:heading])
            start = heading
    yield "\n".join(lines[start:])


def _heading_start(lines: list[str], place: int) -> int | None:
    """The first line of the heading that this line ends, if it ends one."""
    line = lines[place]
    if HASH_HEADING.match(line):
        return place
    title = lines[place - 1] if place else ""
    if not UNDERLINE.fullmatch(line) or not title.strip() or UNDERLINE.fullmatch(title):
        return None
    if title.startswith(NOT_IN_TITLES) or len(title.strip()) > len(line.strip()) + 2:
        return None
    overline = lines[place - 2] if place > 1 else ""
    return place - 2 if UNDERLINE.fullmatch(overline) and overline.strip() == line.strip() else place - 1


def _pieces(part: str) -> Iterator[str]:
    """The part in pieces of at most the maximum, cut at the last paragraph, line or word that fits."""
    start = 0
    while len(part) - start > MAXIMUM_CHARACTERS:
        head = part[start : start + MAXIMUM_CHARACTERS + 1]
        cuts = [head.rfind("\n\n"), head.rfind("\n"), head.rfind(" "), MAXIMUM_CHARACTERS]
        cut = next(cut for cut in cuts if cut >= MINIMUM_CHARACTERS)
        yield head[:cut].strip()
        # Without copying the rest each time: a part may be megabytes long.
        text = NO_SPACE.search(part, start + cut)
        start = text.start() if text else len(part)
    if start < len(part):
        yield part[start:]


def _without_tiny(pieces: list[str]) -> list[str]:
    kept: list[str] = []
    for piece in pieces:
        if kept and len(kept[-1]) < MINIMUM_CHARACTERS and _fit(kept[-1], piece):
            kept[-1] = f"{kept[-1]}\n\n{piece}"
        else:
            kept.append(piece)
    if len(kept) > 1 and len(kept[-1]) < MINIMUM_CHARACTERS and _fit(kept[-2], kept[-1]):
        kept[-2:] = ["\n\n".join(kept[-2:])]
    return kept


def _fit(first: str, second: str) -> bool:
    return len(first) + len("\n\n") + len(second) <= MAXIMUM_CHARACTERS
