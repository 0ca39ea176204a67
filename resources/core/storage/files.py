"""Files and folders on a disk: written whole or not at all, flushed, hashed, removed; a full disk told in words."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class StorageError(Exception):
    """Something about the storage root that a user can mend; the message says how."""


class NoRoom(StorageError):
    """A disk that is full, or a quota or a limit on the size of files that is used up."""


def make_writable(folder: Path) -> None:
    """Create a folder. Raises StorageError, saying what to do, where that is not permitted."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise StorageError(
            f"cannot create {folder}: {error.strerror}. Give a folder you may write to: FINELINE_HOME=…"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StorageError(f"no write permission in {folder}. Give another folder: FINELINE_HOME=…")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, flush it to disk, and rename it into place.

    Raises:
        NoRoom: the disk is full; what was at ``path`` is untouched, and nothing else is left.
    """
    make_writable(path.parent)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with writing(path.parent):
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Tell of a full disk in words. Raises NoRoom."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise no_room(folder, error.errno) from error


def no_room(folder: Path, number: int | None) -> NoRoom:
    """The error of a disk that is full, saying which and what to do."""
    free = shutil.disk_usage(folder).free
    what = {
        errno.EDQUOT: "your quota of disk space is used up",
        errno.EFBIG: "a file grew beyond the limit that is set on the size of files (ulimit -f)",
    }.get(number or 0, "the disk is full")
    return NoRoom(
        f"{what}: writing to {folder} failed ({free / 2**20:,.0f} MiB are free). Make room there, or give another "
        "folder (FINELINE_HOME=…), and run again: what is complete is kept."
    )


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to disk: a file that was renamed has its new name even after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Flush all files and names below a folder to disk."""
    for path, _, names in os.walk(folder):
        for name in names:
            with (Path(path) / name).open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(Path(path))


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed run left half-made in an asset's folder or a batch's.

    Only who holds the asset's lock may do so: then nobody is at work there, and all that is unfinished is stale.
    """
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.name.startswith((".", "new-")):
            remove(path)


def remove_all_but(kept: Container[str], folder: Path) -> None:
    """Remove what is in an asset's folder and is not kept; batches' folders stay."""
    for path in folder.iterdir():
        if path.name not in kept and not path.name.startswith("batch="):
            remove(path)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def content_of(path: Path) -> bytes | None:
    """The bytes of a file, or None where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of all files of a folder, in hex."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        total.update(f"{path.relative_to(folder).as_posix()}\0{file_digest(path)}\n".encode())
    return total.hexdigest()


def parts_digest(folder: Path, parts: Iterable[str]) -> str:
    """SHA-256 over some of a folder's files and folders, in hex."""
    total = hashlib.sha256()
    for part in parts:
        inside = folder / part
        total.update((folder_digest(inside) if inside.is_dir() else file_digest(inside)).encode())
    return total.hexdigest()
