"""Reading batches in another process: whatever a file does to it, no other file is kept back.

Files come from outside. One that is damaged, or made to do harm, may crash the libraries that decode it, or take memory
or time without end. So another process reads them, one after the other, under limits, and is replaced when it ends.
"""

from __future__ import annotations

import atexit
import io
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

import polars as pl

from fineline.resources.core.recipe.sources import Source
from fineline.resources.core.storage.faults import is_transient
from fineline.resources.data.formats.rows import PassingError, SourceError
from fineline.resources.data.shapes.content import BatchRows
from fineline.resources.data.sources.batch import Batch
from fineline.resources.data.sources.environment import is_of_the_environment
from fineline.resources.data.sources.kinds import connector
from fineline.resources.data.sources.locations import files_at

# Beside what the process has before it reads. A part of a batch, at most 32 MiB as stored, takes some 200 MiB.
MEMORY = 2**30
# For each byte of a file that all batches are read with: its rows are kept, as objects.
COMPANION_BYTES = 20
# Of a processor, for each part; a part takes some 3.
PROCESSOR_SECONDS = 120
# Without a processor at work, as where a store over the network does not answer.
SECONDS_TO_WAIT = 1800.0
SECONDS_IDLE = 60.0
# Mimalloc, the other pool of Arrow, reserves a GiB with its first byte.
_ENVIRONMENT = {"ARROW_DEFAULT_MEMORY_POOL": "system", "POLARS_MAX_THREADS": "2", "OMP_NUM_THREADS": "2"}
_PASSING_SIGNALS = (-signal.SIGKILL, -signal.SIGBUS)

_idle: list[_Reader] = []


def read_apart(source: Source, key: str, batch: Batch) -> Iterator[BatchRows]:
    """The rows of a batch as its connector reads them, in another process where they are files.

    Raises:
        SourceError: as the connector does; also where the process ended, or reached a limit.
    """
    if not connector(source).reads_files:
        yield from connector(source).read(source, key, batch)
        return
    reader = _reader_of(source, key, batch)
    try:
        yield from reader.parts(key)
    except SourceError:
        reader.rest()
        raise
    except BaseException:
        reader.end()
        raise
    reader.rest()


class _Reader:
    """A process that reads batches, seen from this one."""

    def __init__(self) -> None:
        self._connection, theirs = Pipe()
        command = [sys.executable, "-m", __name__, str(theirs.fileno())]
        # What libraries print when they fail may quote the file.
        silent: dict[str, Any] = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.DEVNULL)
        self._process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], env={**os.environ, **_ENVIRONMENT}, **silent
        )
        theirs.close()

    def ask(self, source: Source, key: str, batch: Batch) -> bool:
        """Give the process a batch. Returns whether it began to read; else it had ended."""
        try:
            self._connection.send((source, key, batch))
            return bool(self._connection.recv_bytes())
        except (EOFError, OSError):
            self.end()
            return False

    def parts(self, key: str) -> Iterator[BatchRows]:
        """The parts of the batch that it reads."""
        try:
            while self._connection.poll(SECONDS_TO_WAIT):
                answer = json.loads(self._connection.recv_bytes())
                if "error" in answer:
                    kind = PassingError if answer.get("passing") else SourceError
                    # Its cause is in the other process, where it was seen whether to try again soon.
                    raise kind(answer["error"]) from (ConnectionError() if answer.get("transient") else None)
                if "normalised" not in answer:
                    return
                records, unreadable = (pl.read_ipc(self._connection.recv_bytes()) for _ in range(2))
                yield BatchRows(records, unreadable, answer["normalised"])
        except (EOFError, ConnectionError):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
            code = self.end()
            # Linux ends a process so when memory is short, whoever took it, and when a file shrinks while it is mapped.
            raise (PassingError if code in _PASSING_SIGNALS else SourceError)(_ended(key, code)) from None
        self.end()
        raise PassingError(f"{key}: nothing of it was read in {SECONDS_TO_WAIT / 60:.0f} minutes; run again.")

    def rest(self) -> None:
        """Keep the process for the next batch, where it has not ended."""
        if not self._connection.closed:
            _idle.append(self)

    def end(self) -> int:
        """End the process. Returns its exit code."""
        self._process.kill()
        self._connection.close()
        return self._process.wait()


def _ended(key: str, code: int) -> str:
    reason = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    if code == -signal.SIGXCPU:
        reason = f"took more than {PROCESSOR_SECONDS} s of processor time for a part of it"
    return (
        f"{key}: the process that read it {reason}. The file is damaged, or made to do harm: write it again, or take "
        "it out of the source."
    )


def _reader_of(source: Source, key: str, batch: Batch) -> _Reader:
    """A process that reads the batch: one that is idle, or a new one."""
    while _idle:
        reader = _idle.pop()
        if reader.ask(source, key, batch):
            return reader
    reader = _Reader()
    if reader.ask(source, key, batch):
        return reader
    raise PassingError(f"{key}: no process could be started to read it. Where memory is short, free some; run again.")


@atexit.register
def end_idle() -> None:
    """End the processes that are kept for the next batch."""
    while _idle:
        _idle.pop().end()


def serve(connection: Connection) -> None:
    """Read batches until nobody asks for one; the life of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    # A copy of the memory of a process that crashed would have the file's content in it.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    held = _memory_held()
    enough = held + MEMORY // 4
    while connection.poll(SECONDS_IDLE):
        try:
            source, key, batch = connection.recv()
        except EOFError:
            return
        connection.send_bytes(b"begun")
        _limit_time()
        as_asked = True
        try:
            allowed = MEMORY + COMPANION_BYTES * _companion_size(source)
            as_asked = not held or _limit(resource.RLIMIT_DATA, held + allowed)
            for rows in connector(source).read(source, key, batch):
                _send(connection, {"normalised": rows.normalised}, rows.records, rows.unreadable)
                _limit_time()
            answer: dict[str, Any] = {}
        except SourceError as error:
            # Where this machine allows less memory than is asked for, the file may be none the worse.
            is_short = not as_asked and isinstance(error.__context__, MemoryError)
            passing, transient = is_short or isinstance(error, PassingError), is_transient(error)
            answer = {"error": str(error), "passing": passing, "transient": transient}
        except MemoryError:
            answer = {"error": f"{key} takes more than {MEMORY >> 20} MiB of memory to read; divide it, or mend it."}
            answer["passing"] = not as_asked
        # Whatever a library raises over a file from outside keeps no other file back. Its message may quote the file.
        except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001
            passing, transient = is_of_the_environment(error), is_transient(error)
            mend = "check the source's address, and the credentials in the environment" if passing else "write it again"
            answer = {"error": f"{key} cannot be read ({_place_of(error)}); {mend}."}
            answer |= {"passing": passing, "transient": transient}
        _send(connection, answer)
        if _memory_held() > enough:
            return


def _send(connection: Connection, answer: dict[str, Any], *frames: pl.DataFrame) -> None:
    connection.send_bytes(json.dumps(answer).encode())
    for frame in frames:
        stored = io.BytesIO()
        frame.write_ipc(stored)
        connection.send_bytes(stored.getbuffer())


def _place_of(error: BaseException) -> str:
    """The type of an error, and where it was raised."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    place = f" at {Path(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno}" if last is not None else ""
    return f"{type(error).__name__}{place}"


def _memory_held() -> int:
    """The bytes of memory that Linux counts against the limit; 0 on other systems, which know no such limit."""
    if sys.platform != "linux":
        return 0
    return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()


def _companion_size(source: Source) -> int:
    """The bytes of the files that all batches of a source are read with; 0 where they cannot be listed."""
    folder = connector(source).folder(source)
    with suppress(SourceError):
        return sum(file.size for place in (folder.companions if folder else ()) for file in files_at(place))
    return 0


def _limit_time() -> None:
    _limit(resource.RLIMIT_CPU, int(time.process_time()) + PROCESSOR_SECONDS)


def _limit(kind: int, value: int) -> bool:
    """Set a limit of this process. Returns whether it is as asked, and not a lower one that the process was given."""
    _, hard = resource.getrlimit(kind)
    lower = hard != resource.RLIM_INFINITY and hard < value
    resource.setrlimit(kind, (hard if lower else value, hard))
    return not lower


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
