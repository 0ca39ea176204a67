"""Finding personal data in many texts: each distinct segment is analysed once.

Importing this module is cheap: spaCy, Presidio and the models are imported when the first text is analysed.
"""

import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.data.pii.cache import FindingsCache, Kind
from fineline.resources.data.pii.limits import SEGMENT_SECONDS, AnalysisTimedOut, limited
from fineline.resources.data.pii.segments import bounded, cut
from fineline.resources.data.pii.spans import Span

if TYPE_CHECKING:
    from fineline.resources.data.pii.finder import Finder

# What is analysed and cached together.
_PIECES = 128
_CHARACTERS = 100_000
# spaCy and Presidio import these where they are installed, though only transformer models use them. Without
# them a process starts in half the time and takes half the memory.
_NOT_NEEDED = ("torch", "transformers")

Found = dict[str, list[Span]]


class Detector:
    """Finds spans in texts, with models that are loaded when the first text is analysed.

    With a folder, findings are cached there, see FindingsCache. A detector belongs to one thread.
    """

    def __init__(self, section: Scrub, cache: Path | None = None) -> None:
        self._section = section
        self._cache = FindingsCache(section, cache)
        self._finder: Finder | None = None

    def detect(
        self, texts: Iterable[str], identifiers: Iterable[str] = (), *, uncached: bool = False
    ) -> tuple[Found, Found]:
        """Each distinct text and each distinct identifier with its spans, in order and without overlap.

        In identifiers only patterns are looked for. ``uncached`` neither reads nor fills the cache. Those of which a
        segment takes longer than SEGMENT_SECONDS to analyse are left out.

        Raises:
            ScrubError: the section names an unknown entity type or a model that is not installed.
        """
        with closing(FindingsCache(self._section)) if uncached else nullcontext(self._cache) as cache:
            distinct = list(dict.fromkeys(texts))
            found = cache.get(distinct, "text")
            segments_of = {text: cut(text) for text in distinct if text not in found}
            joined = self._joined(cache, segments_of, "segment")
            cache.put(joined, "text")
            pieces_of = {identifier: bounded(identifier) for identifier in identifiers}
            return found | joined, self._joined(cache, pieces_of, "identifier")

    def close(self) -> None:
        """Close the cache."""
        self._cache.close()

    def _joined(self, cache: FindingsCache, pieces_of: Mapping[str, Sequence[str]], kind: Kind) -> Found:
        """The spans of those texts all of whose pieces could be analysed in time."""
        found = self._found(cache, pieces_of, kind)
        return {text: _join(cuts, found) for text, cuts in pieces_of.items() if found.keys() >= set(cuts)}

    def _found(self, cache: FindingsCache, pieces_of: Mapping[str, Sequence[str]], kind: Kind) -> Found:
        distinct = list(dict.fromkeys(chain.from_iterable(pieces_of.values())))
        found = cache.get(distinct, kind)
        batches = deque(_batches(piece for piece in distinct if piece not in found))
        timed_out: set[str] = set()
        while batches:
            batch = batches.popleft()
            if timed_out:
                # Of a text that is lost, no further piece is analysed.
                needed = {piece for cuts in pieces_of.values() if timed_out.isdisjoint(cuts) for piece in cuts}
                batch = [piece for piece in batch if piece in needed]
            new = self._analysed(batch, kind)
            if new is not None:
                cache.put(new, kind)
                found |= new
            elif len(batch) == 1:
                timed_out |= set(batch)
            else:
                batches.extendleft([piece] for piece in reversed(batch))
        return found

    def _analysed(self, batch: Sequence[str], kind: Kind) -> Found | None:
        """The spans of a batch, or None where the time for one segment did not suffice for all of it."""
        if self._finder is None:
            self._finder = build_finder(self._section)
        try:
            with limited(SEGMENT_SECONDS):
                spans = self._finder.find(batch, patterns_only=kind == "identifier")
        except AnalysisTimedOut:
            return None
        return dict(zip(batch, spans, strict=True))


def build_finder(section: Scrub) -> "Finder":
    """Load the models and build the recognizers, which takes seconds. Raises ScrubError."""
    # Presidio skips a pattern that takes longer than this, without an error: what it would find would stay in the text.
    os.environ.setdefault("REGEX_TIMEOUT_SECONDS", str(86_400))
    with _without(() if "_trf" in section.spacy_model else _NOT_NEEDED):
        from fineline.resources.data.pii.finder import Finder

    return Finder(section)


@contextmanager
def _without(modules: Iterable[str]) -> Iterator[None]:
    """For a while, importing these fails, except where they are imported already."""
    absent = [module for module in modules if module not in sys.modules]
    for module in absent:
        sys.modules[module] = None  # type: ignore[assignment]  # None: importing it fails
    try:
        yield
    finally:
        for module in absent:
            del sys.modules[module]


def _batches(pieces: Iterable[str]) -> Iterator[list[str]]:
    """The pieces in order, in batches of bounded number and length."""
    batch: list[str] = []
    characters = 0
    for piece in pieces:
        if batch and (len(batch) == _PIECES or characters + len(piece) > _CHARACTERS):
            yield batch
            batch, characters = [], 0
        batch.append(piece)
        characters += len(piece)
    if batch:
        yield batch


def _join(segments: Iterable[str], found: Mapping[str, list[Span]]) -> list[Span]:
    """The spans of segments as spans of the text that they join to."""
    spans: list[Span] = []
    start = 0
    for segment in segments:
        spans += [span._replace(start=span.start + start, end=span.end + start) for span in found[segment]]
        start += len(segment)
    return spans
