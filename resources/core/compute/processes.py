"""An engine that runs units in processes of this machine."""

from __future__ import annotations

import copy
import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, pairwise
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.reduction import ForkingPickler
from pickle import PicklingError
from typing import Any, TypeVar

from fineline.resources.core.compute.inline import WarmWorker
from fineline.resources.core.presentation.output import quieten_output
from fineline.resources.core.redaction import FinelineError

U = TypeVar("U")
R = TypeVar("R")

# Units that are pulled and whose results are not yet taken, for each process: it need not wait for a busy consumer.
_PULLED = 4
# A unit is run again where its process was lost, for example killed for lack of memory.
_ATTEMPTS = 2
_SECONDS_TO_CLOSE = 60.0
_LIMITED = ("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS")


class WorkerDied(FinelineError, RuntimeError):
    """A worker process ended in the middle of a unit, and another one did so in the same unit."""


class UnitError(FinelineError, RuntimeError):
    """An error of a unit that cannot be carried from one process to another, as its type and message."""


@dataclass(frozen=True)
class _Worker:
    process: SpawnProcess
    connection: Connection

    def end(self) -> int:
        """Wait for the end of the process; returns its exit code."""
        self.connection.close()
        self.process.join()
        code = self.process.exitcode or 0
        self.process.close()
        return code


class Processes:
    """Runs units in at most ``processes`` processes of this machine, each started when there is a unit for it.

    Processes are spawned, not forked: a fork of a process in which polars has started its threads may hang. The
    processes share the cores: each limits its threads of OpenMP, polars and Rayon to its share, unless the environment
    sets a limit. They ignore Ctrl-C, which is for this process to handle, and end with it, also when it is killed.

    A unit whose process is lost, for example killed for lack of memory, is run once more.
    """

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._pools: list[_Pool] = []

    def each(self, factory: Callable[[], Callable[[U], R]], units: Iterable[U]) -> Iterator[R]:
        """See :class:`Engine`.

        Raises:
            WorkerDied: a process was lost twice in one unit.
        """
        pool = self._pool(factory)
        pool.busy = True
        try:
            yield from pool.run(units)
        except BaseException:
            # Units are in work, and their results are no longer wanted.
            if pool in self._pools:
                self._pools.remove(pool)
            pool.kill()
            raise
        pool.busy = False

    def close(self) -> None:
        """See :class:`Engine`."""
        while self._pools:
            pool = self._pools.pop()
            pool.kill() if pool.busy else pool.close()

    def _pool(self, factory: Callable[[], Any]) -> _Pool:
        """A pool of the factory that is idle. Idle ones of other factories end, so that their memory is free."""
        for pool in [pool for pool in self._pools if not pool.busy]:
            if pool.factory == factory:
                return pool
            self._pools.remove(pool)
            pool.close()
        self._pools.append(_Pool(factory, self._processes))
        return self._pools[-1]


class _Pool:
    """The processes of one factory. For each of them a thread of this process sends units and waits for answers."""

    def __init__(self, factory: Callable[[], Any], size: int) -> None:
        self.factory = factory
        self.busy = False
        self._size = size
        self._threads = ThreadPoolExecutor(size)
        self._workers: list[_Worker] = []
        self._idle: list[_Worker] = []
        self._ended = False
        self._changing = threading.Lock()

    def run(self, units: Iterable[Any]) -> Iterator[Any]:
        remaining = iter(units)
        results: deque[Future[Any]] = deque()
        while True:
            for unit in islice(remaining, _PULLED * self._size - len(results)):
                results.append(self._threads.submit(self._run_unit, unit))
            if not results:
                return
            yield results.popleft().result()

    def _run_unit(self, unit: Any) -> Any:
        for _ in range(_ATTEMPTS):
            worker = self._take_worker()
            try:
                worker.connection.send(unit)
                errors, result = worker.connection.recv()
            except (EOFError, ConnectionError):
                self._workers.remove(worker)
                code = worker.end()
                continue
            self._idle.append(worker)
            if errors:
                for error, cause in pairwise(errors):
                    error.__cause__ = cause
                raise errors[0]
            return result
        ended = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        raise WorkerDied(
            f"a worker process {ended} while it worked on {unit}, and so did one before it. "
            "Where memory is short, use fewer processes"
        )

    def _take_worker(self) -> _Worker:
        """A process that is idle, or a new one."""
        with self._changing:
            if self._ended:
                raise RuntimeError("the engine was closed before all results were taken")
            if self._idle:
                return self._idle.pop()
            spawn = multiprocessing.get_context("spawn")
            ours, theirs = spawn.Pipe()
            threads = max(1, (os.cpu_count() or 1) // self._size)
            process = spawn.Process(target=_serve, args=(theirs, threads), daemon=True)
            process.start()
            theirs.close()
            worker = _Worker(process, ours)
            self._workers.append(worker)
        with suppress(ConnectionError):  # The process is lost, which is noticed when it is sent a unit.
            ours.send(self.factory)
        return worker

    def close(self) -> None:
        """End the processes, which are idle, and let them leave their workers."""
        for worker in self._workers:
            worker.connection.close()
        for worker in self._workers:
            worker.process.join(_SECONDS_TO_CLOSE)
        self.kill()

    def kill(self) -> None:
        """End the processes at once."""
        with self._changing:
            self._ended = True
            # A thread may take a lost worker out meanwhile.
            for worker in list(self._workers):
                worker.process.kill()
        # Only then does no thread wait for an answer any more.
        self._threads.shutdown()
        while self._workers:
            self._workers.pop().end()


def _serve(connection: Connection, threads: int) -> None:
    """Answer units until the pool is closed; the life of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    quieten_output()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for variable in _LIMITED:
        os.environ.setdefault(variable, str(threads))
    # The factory's module, and with it polars, is imported only here, under the limits.
    worker = WarmWorker(connection.recv())
    while True:
        try:
            unit = connection.recv()
        except EOFError:
            break
        try:
            connection.send(([], worker(unit)))
        except Exception as error:  # noqa: BLE001  # it is raised in the process that asked for the unit
            connection.send((_chain(error), None))
    worker.close()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _chain(error: BaseException) -> list[BaseException]:
    """An error and its causes, each in a form that can be sent, with the traceback as a note of the first."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    error.add_note("In a worker process:\n" + "".join(traceback.format_exception(error)))
    return [_sendable(each) for each in chain]


def _sendable(error: BaseException) -> BaseException:
    try:
        copy.copy(error)  # made as pickle makes it, which fails where its type has arguments of its own
        ForkingPickler.dumps(error)
    except (TypeError, ValueError, AttributeError, PicklingError):
        return UnitError(f"{type(error).__name__}: {error}")
    return error
