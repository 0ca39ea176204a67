"""Who holds a lock, and who waits for one: by the work that they do and since when, and nothing of what it is about."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from fineline.resources.core.presentation.output import say

# Seconds until whoever waits for a lock tells so for the first time; each later time comes after twice as long.
FIRST_TOLD = 3.0
LONGEST_UNTOLD = 600.0


@dataclass(frozen=True)
class Holder:
    """Work that holds a lock or waits for one, its process, and since when it does so."""

    work: str
    process: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"{self.work} (process {self.process} on {self.host}) since {self.since} UTC"

    @property
    def seconds(self) -> float:
        """For how long."""
        return (datetime.now(UTC) - datetime.fromisoformat(f"{self.since}+00:00")).total_seconds()

    def written(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True)
class Wait:
    """Work that waits for a lock, and whoever held it when last looked at."""

    lock: str
    waiting: Holder
    held_by: Holder | None

    def __str__(self) -> str:
        held = f"which {self.held_by} holds" if self.held_by else "which others hold"
        return f"{self.waiting} waits for the lock {self.lock!r}, {held}"


Tell = Callable[[str], None]


def _aside(text: str) -> None:
    say(text, sys.stderr)


_WORK: ContextVar[tuple[str, Tell]] = ContextVar("work", default=("fineline", _aside))


@contextmanager
def working_on(work: str, tell: Tell = _aside) -> Iterator[None]:
    """Name the work of this thread to whoever waits for it; ``tell`` is where it tells for whom it waits itself.

    It names a command, or a run and its step, and nothing from outside.
    """
    before = _WORK.get()
    _WORK.set((work, tell))
    try:
        yield
    finally:
        # Not by a token: a generator may be closed in another context.
        _WORK.set(before)


def here() -> Holder:
    """The work of this thread, as of now."""
    return Holder(_WORK.get()[0], os.getpid(), socket.gethostname(), f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}")


def read(written: bytes) -> Holder | None:
    """A holder from JSON; None where nobody has written it, or not yet all of it."""
    try:
        return Holder(**json.loads(written))
    except (ValueError, TypeError):
        return None


@contextmanager
def telling(wait: Callable[[], Wait]) -> Iterator[None]:
    """Tell for whom this thread waits, again and again while it does, at growing intervals."""
    tell, over = _WORK.get()[1], threading.Event()

    def repeat() -> None:
        pause = FIRST_TOLD
        while not over.wait(pause):
            tell(str(wait()))
            pause = min(2 * pause, LONGEST_UNTOLD)

    teller = threading.Thread(target=repeat, name="waits for a lock")
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()
