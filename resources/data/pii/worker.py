"""Finding personal data in one batch of texts, in this process or in one of a pool.

Importing this module is cheap: the engine and what it needs are imported when a finder is built.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.data.pii.spans import Span

if TYPE_CHECKING:
    from fineline.resources.data.pii.finder import Finder

# spaCy and Presidio import these where they are installed, though only transformer models use them. Without
# them a process starts in half the time and takes half the memory.
NOT_NEEDED = ("torch", "transformers")


class Batch(NamedTuple):
    """Pieces that are analysed together. Batches do not depend on the number of processes."""

    pieces: tuple[str, ...]
    patterns_only: bool


def build_finder(section: Scrub) -> "Finder":
    """Load the model and build the recognizers, which takes seconds. Raises ScrubError."""
    with _without(() if "_trf" in section.spacy_model else NOT_NEEDED):
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


def find_batch(finder: "Finder", batch: Batch) -> list[list[Span]]:
    """The spans of each piece."""
    return finder.find(batch.pieces, patterns_only=batch.patterns_only)


_finders: "list[Finder]" = []


def start(section: Scrub) -> None:
    """Make this process of a pool ready to find."""
    if "_trf" not in section.spacy_model:
        for module in NOT_NEEDED:
            sys.modules.setdefault(module, None)  # type: ignore[arg-type]  # None: importing it fails
    _finders.append(build_finder(section))


def find(batch: Batch) -> list[list[Span]]:
    """The spans of each piece of a batch, in a process that was started."""
    return find_batch(_finders[0], batch)
