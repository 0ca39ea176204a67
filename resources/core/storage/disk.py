"""A storage root in a folder of a local disk: atomic renames, flushed before they count, and locks of the system."""
# ruff: noqa: D102 (the methods are documented in Root)

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from functools import lru_cache
from io import BufferedIOBase
from pathlib import Path

import polars as pl

from fineline.resources.core.storage.files import (
    PRIVATE,
    StorageError,
    file_digest,
    make_writable,
    remove,
    sync,
    tree_digest,
    write_atomically,
    writing,
)
from fineline.resources.core.storage.holders import Holder, Wait
from fineline.resources.core.storage.layout import ASSETS, LOCKS, RELEASES
from fineline.resources.core.storage.locks import Locks
from fineline.resources.core.storage.root import Conflict, Content, Entry

# Held for the moment in which a version is compared and its successor put in place.
_SWAP = "swap"
# The permissions of the files of releases, as chmod takes them: 0644 gives them to all users of the machine.
RELEASE_MODE = "FINELINE_RELEASE_MODE"


class DiskRoot:
    """A folder of a local disk; see :class:`Root`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._locks = Locks(folder / LOCKS)

    def path(self, key: str) -> Path:
        """The path of a key, whether anything is there or not."""
        return self.folder / key

    def location(self, key: str) -> str:
        return str(self.path(key))

    def get(self, key: str, *, private: bool = False) -> Content | None:
        path = self.path(key)
        try:
            with path.open("rb") as file:
                if private and os.fstat(file.fileno()).st_mode & 0o077:
                    raise StorageError(f"{path} may be read by others: chmod 600 {path}")
                content = file.read()
        except FileNotFoundError:
            return None
        return Content(content, hashlib.sha256(content).hexdigest())

    def put(self, key: str, content: bytes, *, private: bool = False) -> None:
        path = self.path(key)
        make_writable(path.parent)
        if private and path.parent != self.folder:
            _give(path.parent, 0)
        write_atomically(path, content)

    def swap(self, key: str, content: bytes, version: str | None, *, private: bool = False) -> None:
        with self.lock(_SWAP):
            self._require(key, version)
            self.put(key, content, private=private)

    def delete(self, key: str, version: str | None = None) -> None:
        path = self.path(key)
        with self.lock(_SWAP) if version is not None else nullcontext():
            if version is not None:
                self._require(key, version)
            if os.path.lexists(path):
                remove(path)
                sync(path.parent)

    def erase(self, key: str) -> None:
        # A file system that copies on write may still keep the old blocks. Nobody finds the zeros under the key, also
        # after a power cut.
        path = self.path(key)
        if path.exists():
            erased = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
            path.rename(erased)
            sync(path.parent)
            with erased.open("r+b") as file:
                file.write(b"\0" * erased.stat().st_size)
            sync(erased)
            erased.unlink()
            sync(path.parent)

    def exists(self, key: str) -> bool:
        return self.path(key).exists()

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(os.listdir(self.path(folder)))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def list(self, folder: str = "") -> Iterator[Entry]:
        path = self.path(folder)
        for found in sorted(path.rglob("*")) if path.is_dir() else [path]:
            try:
                stat = found.stat()
            except FileNotFoundError:
                continue
            if found.is_file():
                modified = datetime.fromtimestamp(stat.st_mtime, UTC)
                yield Entry(found.relative_to(self.folder).as_posix(), stat.st_size, modified)

    def open(self, key: str) -> BufferedIOBase:
        return self.path(key).open("rb")

    def digest(self, key: str) -> str:
        path = self.path(key)
        if path.is_dir():
            return tree_digest((entry.key[len(key) + 1 :], self.digest(entry.key)) for entry in self.list(key))
        stat = path.stat()
        return _digest(path, (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino))

    def scan(self, keys: Sequence[str], *, keys_as: str | None = None, uneven: bool = False) -> pl.LazyFrame:
        rows = pl.scan_parquet(
            [self.path(key) for key in keys],
            include_file_paths=keys_as,
            missing_columns="insert" if uneven else "raise",
            extra_columns="ignore" if uneven else "raise",
        )
        return rows if keys_as is None else rows.with_columns(pl.col(keys_as).str.strip_prefix(f"{self.folder}/"))

    def local(self, key: str) -> Path:
        path = self.path(key)
        if not path.exists():
            raise FileNotFoundError(path)
        return path

    @contextmanager
    def workspace(self, folder: str) -> Iterator[Path]:
        parent = self.path(folder)
        make_writable(parent)
        with writing(parent):
            made = Path(tempfile.mkdtemp(prefix="new-", dir=parent))
            try:
                yield made
            finally:
                remove(made)

    def take(self, files: Mapping[str, Path]) -> None:
        folders = dict.fromkeys(self.path(key).parent for key in files)
        for folder in folders:
            make_writable(folder)
        for key, made in files.items():
            mode = self._mode(key)
            with writing(self.path(key).parent):
                for path in (*made.rglob("*"), made):
                    path.chmod(_for_folders(mode) if path.is_dir() else mode)
                    sync(path)
        for key, made in files.items():
            target = self.path(key)
            if target.is_dir():
                os.replace(target, target.with_name(f".{target.name}.{uuid.uuid4().hex}"))
            os.replace(made, target)
        for folder in folders:
            sync(folder)

    def lock(self, name: str, *, shared: bool = False, wait: bool = True) -> AbstractContextManager[bool]:
        return self._locks.lock(name, shared=shared, wait=wait)

    def holder(self, name: str) -> Holder | None:
        return self._locks.holder(name)

    def waits(self) -> Sequence[Wait]:
        return self._locks.waits()

    def make_private(self) -> None:
        """Close the folder to all but its owner, also one that an older Fineline left open.

        Where releases are given to others, these pass through it and find everything else closed: what lies in the
        folder, and each asset.
        """
        passing = 0o111 & _for_folders(_release_mode())
        if self.folder.stat().st_uid != os.geteuid():
            return
        _give(self.folder, passing)
        passed = {self.path(ASSETS), self.path(RELEASES)}
        for folder in (self.folder, self.path(ASSETS)):
            for path in folder.iterdir() if folder.is_dir() else ():
                if not path.is_symlink():
                    _give(path, passing if path in passed else 0)

    def _mode(self, key: str) -> int:
        """The permissions of a file: those of a release may be read by others where the environment says so."""
        mode = _release_mode() if key.startswith(f"{RELEASES}/") else PRIVATE
        if mode != PRIVATE:
            for folder in self.path(key).parents:
                if folder == self.folder.parent:
                    break
                _give(folder, 0o111 & _for_folders(mode), kept=0o7777)
        return mode

    def _require(self, key: str, version: str | None) -> None:
        there = self.get(key)
        if (None if there is None else there.version) != version:
            raise Conflict(self.location(key))


def _release_mode() -> int:
    """The permissions of the files of releases. Raises StorageError for what are none."""
    given = os.environ.get(RELEASE_MODE, "0600")
    if re.fullmatch("0?[67][0-7][0-7]", given) is None:
        raise StorageError(f"{RELEASE_MODE} is the mode of the files of a release, such as 0600, 0640 or 0644")
    return int(given, 8) & 0o644 | PRIVATE


def _give(path: Path, to_others: int, *, kept: int = 0o7700) -> None:
    """Set what others than the owner may do, and keep the rest; what is another user's stays as it is."""
    with suppress(FileNotFoundError):
        found = path.stat()
        mode = found.st_mode & kept | to_others
        if found.st_uid == os.geteuid() and mode != found.st_mode & 0o7777:
            path.chmod(mode)


def _for_folders(mode: int) -> int:
    """The permissions of a folder by those of its files: who may read them may also enter it."""
    return mode | (mode & 0o444) >> 2


@lru_cache(maxsize=65536)
def _digest(path: Path, state: tuple[int, ...]) -> str:
    """``state`` changes with every write to the file."""
    return file_digest(path)
