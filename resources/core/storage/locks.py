"""The locks of a storage root in a folder of a local disk: locks of the system, with files of those who wait."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from fineline.resources.core.storage import holders
from fineline.resources.core.storage.files import PRIVATE, make_writable, writing
from fineline.resources.core.storage.holders import Holder, Wait

# The end of the name of a file that stands for one who waits.
WAITS = ".waits"


class Locks:
    """The locks whose files are in a folder, by name. Each file has in it who holds the lock alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def lock(self, name: str, *, shared: bool, wait: bool) -> Iterator[bool]:
        """Hold a name, as :meth:`Root.lock` does."""
        operation = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        descriptor, held = open_lock(self.path(name)), False
        try:
            held = lock_at_once(descriptor, operation)
            if wait and not held:
                with self.waiting(name):
                    fcntl.flock(descriptor, operation)
                held = True
            if held:
                write(descriptor, b"" if shared else holders.here().written())
            yield held
        finally:
            if held and not shared:
                write(descriptor, b"")
            os.close(descriptor)

    def path(self, name: str) -> Path:
        """The file of a lock."""
        return self.folder / f"{name}.lock"

    def holder(self, name: str) -> Holder | None:
        """Who holds a name alone; None where nobody does so, or it is not known."""
        with suppress(FileNotFoundError):
            return holders.read(self.path(name).read_bytes())
        return None

    def waits(self) -> Sequence[Wait]:
        """Who waits for a name now. Removes the files of those that were killed while they waited."""
        found = []
        for path in sorted(self.folder.glob(f"*{WAITS}")):
            with suppress(FileNotFoundError), path.open("rb") as file:
                waiting = holders.read(file.read())
                if lock_at_once(file.fileno(), fcntl.LOCK_SH):
                    path.unlink(missing_ok=True)
                elif waiting is not None:
                    name = path.name.removesuffix(WAITS).rpartition(".")[0]
                    found.append(Wait(name, waiting, self.holder(name)))
        return found

    @contextmanager
    def waiting(self, name: str) -> Iterator[None]:
        """Be among those that wait for a lock: by a file that is locked until this process waits no more, or ends."""
        me = holders.here()
        path, descriptor = self.file_of_waiter(name)
        try:
            write(descriptor, me.written())
            with holders.telling(lambda: Wait(name, me, self.holder(name))):
                yield
        finally:
            path.unlink(missing_ok=True)
            os.close(descriptor)

    def file_of_waiter(self, name: str) -> tuple[Path, int]:
        """A file that stands for one who waits, and its descriptor, locked."""
        while True:
            path = self.folder / f"{name}.{uuid.uuid4().hex}{WAITS}"
            descriptor = open_lock(path)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if path.exists():
                return path, descriptor
            # Before it was locked, it was removed like the file of one that was killed.
            os.close(descriptor)


def open_lock(path: Path) -> int:
    """A descriptor of a file that is there to be locked. It is closed to the programs that this process starts."""
    make_writable(path.parent)
    with writing(path.parent):
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)


def lock_at_once(descriptor: int, operation: int) -> bool:
    """Lock a file if that needs no waiting; returns whether it is locked."""
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
        return True
    return False


def write(descriptor: int, content: bytes) -> None:
    """Write whom a lock is held by. It is held as well where a full disk has no room for that."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, content, 0)
