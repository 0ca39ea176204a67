"""An engine that runs every unit in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any, TypeVar

U = TypeVar("U")
R = TypeVar("R")


class WarmWorker:
    """The worker of a factory, built with the first unit and left with ``close``."""

    def __init__(self, factory: Callable[[], Callable[[Any], Any]]) -> None:
        self.factory = factory
        self._work: Callable[[Any], Any] | None = None
        self._entered = ExitStack()

    def __call__(self, unit: Any) -> Any:
        """What the worker makes of a unit."""
        if self._work is None:
            work = self.factory()
            if isinstance(work, AbstractContextManager):
                self._entered.enter_context(work)
            self._work = work
        return self._work(unit)

    def close(self) -> None:
        """Leave the worker, where it is a context manager."""
        self._entered.close()


class Inline:
    """Runs one unit after the other, in this process, each when its result is asked for."""

    def __init__(self) -> None:
        self._workers: list[WarmWorker] = []

    def each(self, factory: Callable[[], Callable[[U], R]], units: Iterable[U]) -> Iterator[R]:
        """See :class:`Engine`."""
        worker = next((warm for warm in self._workers if warm.factory == factory), None)
        if worker is None:
            worker = WarmWorker(factory)
            self._workers.append(worker)
        yield from map(worker, units)

    def close(self) -> None:
        """See :class:`Engine`."""
        while self._workers:
            self._workers.pop().close()
