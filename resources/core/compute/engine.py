"""The protocol of an engine, which runs units of work in this process or in several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from fineline.resources.core.compute.inline import Inline
from fineline.resources.core.compute.processes import Processes

# What starting processes, and importing there what units need, may cost.
_SECONDS_TO_START = 20.0

U = TypeVar("U")
R = TypeVar("R")


class Engine(Protocol):
    """Runs a worker over units of work.

    A unit is a small description (asset, batch, first row, number of rows), never data. Its worker reads from the
    storage root, writes a part there under a name made of its content, and returns what is small: the name, a digest,
    counts. A unit may be run twice, where the process that ran it was lost, so running it twice must write the same
    bytes.

    ``factory`` builds the worker, once in each process. It must be picklable, and equal factories share warm
    workers: a frozen dataclass is both, such as ``Signing`` in ``resources/data/deduplication/signatures.py``. A
    worker that is a context manager is entered when it is built, and left when the engine is closed.
    """

    def each(self, factory: Callable[[], Callable[[U], R]], units: Iterable[U]) -> Iterator[R]:
        """The results, in the order of the units.

        Units are pulled lazily, a few for each process ahead of the result that is asked for. An exception of a unit is
        raised when its result is due, with its causes. Leaving the iterator early ends the work in progress.
        """

    def close(self) -> None:
        """End the workers. Until then they stay warm for the next call with an equal factory."""


def local_engine(processes: int) -> Engine:
    """The engine of this machine: so many processes, or this process where that is one."""
    return Inline() if processes == 1 else Processes(processes)


def worthwhile(engine: Engine, seconds: float) -> Engine:
    """An engine for work of so many seconds of one processor: this process, where starting others would take longer."""
    return engine if seconds > _SECONDS_TO_START else Inline()
