"""Finding personal data in many texts: each distinct segment once, in this process or in a pool of processes."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Self

from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.data.pii import worker
from fineline.resources.data.pii.cache import Kind, Memory
from fineline.resources.data.pii.segments import cut
from fineline.resources.data.pii.spans import Span
from fineline.resources.data.pii.worker import Batch

if TYPE_CHECKING:
    from fineline.resources.data.pii.finder import Finder

_BATCH_SEGMENTS = 128
_BATCH_CHARACTERS = 100_000
# Some seconds of work; for less a pool's start does not pay.
_POOL_CHARACTERS = 300_000

Progress = Callable[[int, int], None]
Found = dict[str, list[Span]]


def batches(segments: Iterable[str], *, patterns_only: bool) -> Iterator[Batch]:
    """Segments in order, in batches of bounded number and length."""
    batch: list[str] = []
    characters = 0
    for segment in segments:
        if batch and (len(batch) == _BATCH_SEGMENTS or characters + len(segment) > _BATCH_CHARACTERS):
            yield Batch(tuple(batch), patterns_only)
            batch, characters = [], 0
        batch.append(segment)
        characters += len(segment)
    if batch:
        yield Batch(tuple(batch), patterns_only)


class Detector:
    """Finds spans in texts. The engine is built on first use, the pool with the first long list.

    What was found is remembered in a folder, where one is given: see Memory.
    """

    def __init__(self, section: Scrub, folder: Path | None = None) -> None:
        self._section = section
        self._memory = Memory(section, folder)
        self._finder: Finder | None = None
        self._pool: ProcessPoolExecutor | None = None

    def detect(
        self,
        texts: Iterable[str],
        identifiers: Iterable[str] = (),
        progress: Progress | None = None,
        *,
        anew: bool = False,
    ) -> tuple[Found, Found]:
        """Each distinct text and each distinct identifier with its spans, in order and without overlap.

        Of identifiers only the patterns are looked for. ``progress`` gets distinct segments done and in all
        after each batch, and once where all is known already. With ``anew`` nothing is recalled or kept.
        """
        memory = Memory(self._section) if anew else self._memory
        found_texts, unknown = _recall(memory, texts, "text")
        segments_of = {text: cut(text) for text in unknown}
        found, unknown_segments = _recall(memory, (each for cuts in segments_of.values() for each in cuts), "segment")
        found_identifiers, unknown_identifiers = _recall(memory, identifiers, "identifier")
        jobs = [
            *batches(unknown_segments, patterns_only=False),
            *batches(unknown_identifiers, patterns_only=True),
        ]
        total = len(found) + len(found_identifiers) + len(unknown_segments) + len(unknown_identifiers)
        for job, results in zip(jobs, self._run(jobs) if jobs else (), strict=True):
            new = dict(zip(job.pieces, results, strict=True))
            (found_identifiers if job.patterns_only else found).update(new)
            _remember(memory, new, "identifier" if job.patterns_only else "segment")
            if progress is not None:
                progress(len(found) + len(found_identifiers), total)
        if progress is not None and not jobs:
            progress(1, 1)
        joined = {text: _join(segments, found) for text, segments in segments_of.items()}
        _remember(memory, joined, "text")
        return found_texts | joined, found_identifiers

    def close(self) -> None:
        """End the pool's processes and close the memory."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        self._memory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, jobs: Sequence[Batch]) -> Iterable[list[list[Span]]]:
        if self._finder is None:
            # Also before a pool is started: a section that cannot work shows its error here, in plain words.
            self._finder = worker.build_finder(self._section)
        finder = self._finder
        characters = sum(len(piece) for job in jobs for piece in job.pieces)
        if self._section.workers == 1 or characters < _POOL_CHARACTERS:
            return (worker.find_batch(finder, job) for job in jobs)
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                max_workers=self._section.workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=worker.start,
                initargs=(self._section,),
            )
        return self._pool.map(worker.find, jobs)


def _join(segments: Iterable[str], found: Mapping[str, list[Span]]) -> list[Span]:
    """The spans of segments as spans of the text that they join to."""
    spans: list[Span] = []
    start = 0
    for segment in segments:
        spans += [span._replace(start=span.start + start, end=span.end + start) for span in found[segment]]
        start += len(segment)
    return spans


def _recall(memory: Memory, texts: Iterable[str], kind: Kind) -> tuple[Found, list[str]]:
    """The distinct texts that are known, with their finds, and those that are not."""
    hashes = {text: memory.hash(text, kind) for text in dict.fromkeys(texts)}
    known = memory.recall(hashes.values())
    found = {text: known[key] for text, key in hashes.items() if key in known}
    return found, [text for text in hashes if text not in found]


def _remember(memory: Memory, found: Mapping[str, list[Span]], kind: Kind) -> None:
    memory.remember({memory.hash(text, kind): spans for text, spans in found.items()})
