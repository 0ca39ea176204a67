"""Finding personal data in many texts: each distinct piece once, in this process or in a pool of processes."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import groupby
from typing import TYPE_CHECKING, Self

from fineline.resources.recipe_data import Scrub
from fineline.resources.scrub import worker
from fineline.resources.scrub.spans import Span
from fineline.resources.scrub.worker import Batch

if TYPE_CHECKING:
    from fineline.resources.scrub.finder import Finder

PIECE_CHARACTERS = 20_000
_LONG_LINE = 400
_BATCH_PIECES = 64
_BATCH_CHARACTERS = 100_000
# Some seconds of work; for less a pool's start does not pay.
_POOL_CHARACTERS = 300_000

Progress = Callable[[int, int], None]


def cut(text: str, limit: int = PIECE_CHARACTERS) -> list[str]:
    """Cut a text into pieces of at most ``limit`` characters that join to it.

    A long line is a piece of its own: the passages that many prompts share are then analysed once. Other
    lines stay together. What exceeds the limit is cut at a blank line, else line, else space, so that memory
    stays bounded.
    """
    passages = groupby(text.splitlines(keepends=True), key=lambda line: line if len(line) >= _LONG_LINE else "")
    return [piece for _, lines in passages for piece in _within(limit, "".join(lines))]


def _within(limit: int, text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > limit:
        ends = (text.rfind(mark, start, start + limit) + len(mark) for mark in ("\n\n", "\n", " "))
        end = next((end for end in ends if end > start + limit // 2), start + limit)
        yield text[start:end]
        start = end
    yield text[start:]


def batches(pieces: Iterable[str], *, patterns_only: bool) -> Iterator[Batch]:
    """Pieces in order, in batches of bounded number and length."""
    batch: list[str] = []
    for piece in pieces:
        if len(batch) == _BATCH_PIECES or sum(map(len, batch)) + len(piece) > _BATCH_CHARACTERS:
            yield Batch(tuple(batch), patterns_only)
            batch = []
        batch.append(piece)
    if batch:
        yield Batch(tuple(batch), patterns_only)


class Detector:
    """Finds spans in texts. The engine is built on first use, the pool with the first long list."""

    def __init__(self, section: Scrub) -> None:
        self._section = section
        self._finder: Finder | None = None
        self._pool: ProcessPoolExecutor | None = None

    def detect(
        self, texts: Iterable[str], identifiers: Iterable[str] = (), progress: Progress | None = None
    ) -> tuple[dict[str, list[Span]], dict[str, list[Span]]]:
        """Each distinct text and each distinct identifier with its spans, in order and without overlap.

        Of identifiers only the patterns are looked for. ``progress`` gets pieces done and pieces in all after
        each batch.
        """
        wanted = [
            ({text: cut(text) for text in texts}, False),
            ({text: cut(text) for text in identifiers}, True),
        ]
        jobs: list[Batch] = []
        for pieces_of, patterns_only in wanted:
            distinct = dict.fromkeys(piece for pieces in pieces_of.values() for piece in pieces)
            jobs += batches(distinct, patterns_only=patterns_only)
        total = sum(len(job.pieces) for job in jobs)
        found: dict[tuple[str, bool], list[Span]] = {}
        for job, results in zip(jobs, self._run(jobs), strict=True):
            found.update(((piece, job.patterns_only), r) for piece, r in zip(job.pieces, results, strict=True))
            if progress is not None:
                progress(len(found), total)
        first, second = (
            {text: _join(pieces, found, patterns_only) for text, pieces in pieces_of.items()}
            for pieces_of, patterns_only in wanted
        )
        return first, second

    def close(self) -> None:
        """End the pool's processes."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

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


def _join(pieces: Iterable[str], found: Mapping[tuple[str, bool], list[Span]], patterns_only: bool) -> list[Span]:
    """The spans of pieces as spans of the text that they join to."""
    spans: list[Span] = []
    start = 0
    for piece in pieces:
        spans += [s._replace(start=s.start + start, end=s.end + start) for s in found[piece, patterns_only]]
        start += len(piece)
    return spans
