"""Files and folders on a local disk: written whole or not at all, flushed, hashed and removed."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fineline.resources.core.redaction import FinelineError

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# What is stored is its owner's alone.
PRIVATE, PRIVATE_FOLDER = 0o600, 0o700


class StorageError(FinelineError):
    """An error of the storage root that a user can mend; the message states how."""


class NoRoom(StorageError):
    """The disk is full, or a quota or a limit on the size of files is used up."""


def make_writable(folder: Path) -> None:
    """Create a folder, with those above it, for its owner alone, and flush its name to disk.

    Raises StorageError, with what to do, where that is not permitted.
    """
    try:
        for each in reversed((folder, *folder.parents)):
            if not each.is_dir():
                each.mkdir(PRIVATE_FOLDER, exist_ok=True)
                sync(each.parent)
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise StorageError(
            f"cannot create {folder}: {error.strerror}. Give a folder you may write to: FINELINE_HOME=…"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StorageError(f"no write permission in {folder}. Give another folder: FINELINE_HOME=…")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file, its owner's alone, under a temporary name, flush it to disk, and rename it into place.

    Raises:
        NoRoom: the disk is full; the file that was at ``path`` is untouched, and nothing else is left.
    """
    make_writable(path.parent)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with writing(path.parent):
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        sync(path.parent)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn the system's errors for a full disk into NoRoom."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise no_room(folder, error.errno) from error


def no_room(folder: Path, number: int | None) -> NoRoom:
    """The error for a full disk; its message names the disk and what to do."""
    folder = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(folder).free
    what = {
        errno.EDQUOT: "your quota of disk space is used up",
        errno.EFBIG: "a file grew beyond the limit that is set on the size of files (ulimit -f)",
    }.get(number or 0, "the disk is full")
    return NoRoom(
        f"{what}: writing to {folder} failed ({free / 2**20:,.0f} MiB are free). Make room there, or give another "
        "folder (FINELINE_HOME=…), and run again: what is complete is kept."
    )


def sync(path: Path) -> None:
    """Flush to disk the content of a file, or the names in a folder: a renamed file keeps its name in a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file, or a folder with everything in it; a path where nothing is is left as it is."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_digest(files: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over the names and digests of the files of a folder, in hex."""
    return joint_digest(*(f"{name}\0{digest}\n" for name, digest in sorted(files)))


def joint_digest(*digests: str) -> str:
    """One digest of several, in hex."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()
