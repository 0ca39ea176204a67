"""A storage root: contents under keys, with the few operations that everything stored is built on.

An implementation is a place (a disk, the memory of a process, an object store) and nothing more: what is stored under
which key is known to :mod:`layout`, and what a manifest means to :mod:`store`. Contents whose key is made of their hash
are never changed; whatever else changes is swapped against the version that was read, or under a lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from io import BufferedIOBase
from pathlib import Path
from typing import Protocol

import polars as pl

from fineline.resources.core.redaction import FinelineError
from fineline.resources.core.storage.holders import Holder, Wait


class Conflict(FinelineError):
    """The version that a change was based on is no longer there: read again."""


@dataclass(frozen=True)
class Content:
    """The bytes under a key, and the version by which they may be replaced."""

    content: bytes
    version: str


@dataclass(frozen=True)
class Entry:
    """A file under a root: its key, its size in bytes, and when it was last written."""

    key: str
    size: int
    modified: datetime


class Root(Protocol):
    """One place in which everything of a recipe is stored.

    Raises, wherever something is written: ``NoRoom`` for a full disk, after which everything is as it was, and
    ``StorageError`` for a place that may not be written to.
    """

    def location(self, key: str) -> str:
        """The path or URL of a key, for people."""

    def get(self, key: str, *, private: bool = False) -> Content | None:
        """The bytes under a key; None where nothing is.

        Raises:
            StorageError: the content should be ``private``, and others than its owner may read it.
        """

    def put(self, key: str, content: bytes, *, private: bool = False) -> None:
        """Store bytes under a key, in place of those that are there.

        For contents that are named by their hash, and for keys that only the holder of a lock writes. A reader
        finds the old bytes or the new ones. Only the owner may read what is ``private``.
        """

    def swap(self, key: str, content: bytes, version: str | None, *, private: bool = False) -> None:
        """Put, if the ``version`` that was read still stands; None stands for nothing there. Raises Conflict."""

    def delete(self, key: str, version: str | None = None) -> None:
        """Remove a file, or a folder with everything below it; nothing happens where nothing is.

        Raises Conflict where a ``version`` is given, and the file has another one.
        """

    def erase(self, key: str) -> None:
        """Remove a file so that its bytes cannot be read again, as far as the place allows; nothing where none is."""

    def exists(self, key: str) -> bool:
        """Whether a file or a folder has this key."""

    def names(self, folder: str) -> list[str]:
        """The names of the files and folders directly in a folder, sorted; empty where there is no such folder."""

    def list(self, folder: str = "") -> Iterator[Entry]:
        """Every file below a folder, or the one file of this key. Files that vanish meanwhile are left out."""

    def open(self, key: str) -> BufferedIOBase:
        """A file, opened for reading at any position. Raises FileNotFoundError."""

    def digest(self, key: str) -> str:
        """SHA-256 of a file's bytes, or over the names and bytes of a folder's files, in hex.

        A file that is as it was is read once in a process. Raises FileNotFoundError.
        """

    def scan(self, keys: Sequence[str], *, keys_as: str | None = None, uneven: bool = False) -> pl.LazyFrame:
        """Parquet files, lazily, one after the other; their rows stay readable while nobody deletes the files.

        ``keys_as`` names a column that holds each row's key. Of ``uneven`` files each may lack columns of the first
        one, or have others.
        """

    def local(self, key: str) -> Path:
        """A file or folder as a path on this machine, for reading: itself or a copy. Raises FileNotFoundError."""

    def workspace(self, folder: str) -> AbstractContextManager[Path]:
        """An empty local folder in which contents of ``folder`` are made; removed with what is left in it."""

    def take(self, files: Mapping[str, Path]) -> None:
        """Move finished files and folders out of a workspace, each to its key, in place of what is there.

        When this returns, all of it is kept even after a power cut. A process that is killed meanwhile leaves
        some of them moved.
        """

    def lock(self, name: str, *, shared: bool = False, wait: bool = True) -> AbstractContextManager[bool]:
        """Hold a name alone, or ``shared`` with others that do so too, against holders in whatever process.

        Gives whether it is held: False where others hold it, and this one does not ``wait`` for them. One that waits
        tells for whom. A holder that dies releases it.
        """

    def holder(self, name: str) -> Holder | None:
        """Who holds a name alone; None where nobody does so, or it is not known."""

    def waits(self) -> Sequence[Wait]:
        """Who waits for a name now."""
