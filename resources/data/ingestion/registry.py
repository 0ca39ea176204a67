"""What is known of the batches that arrived: kept beside the tables, one writer at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fineline.resources.core.storage.files import StorageError, make_writable, write_atomically
from fineline.resources.core.storage.store import Storage
from fineline.resources.data.sources.batch import Bound, Place


class SeenFile(BaseModel):
    """A file as it was when it was last looked at, and its content as far as that is known.

    ``since`` is when it was first seen like this, ``pieces`` are the hashes of its first parts, ``content`` is the
    hash of the whole; ``failed`` says that it could not be read. A file whose size and mark stay is not read again.
    """

    model_config = ConfigDict(frozen=True)

    size: int
    mark: str
    since: float
    pieces: tuple[str, ...] = ()
    content: str | None = None
    failed: Literal[True] | None = None


class Arrival(BaseModel):
    """A batch: what is in it (a hash), where it is, and since when and in which version.

    A batch that is ``gone`` stays as it was stored; one that is ``withdrawn`` is a batch no longer, and does not
    become one again by the same content.
    """

    model_config = ConfigDict(frozen=True)

    content: str
    place: Place | None = None
    first_seen: float
    state: Literal["there", "gone", "withdrawn"] = "there"
    versions: int = 1


class SourceState(BaseModel):
    """A source: where it is, its batches by key, its files by name, and the files that all batches are read with.

    ``companions`` are these by their place, ``companions_content`` is the hash of them all when they were last
    complete. ``asked`` is when a source that has to be asked was, ``obstacle`` why it could not be scanned, and
    ``mark`` the highest value of its increment so far.
    """

    origin: str
    asked: float | None = None
    obstacle: str | None = None
    mark: Bound | None = None
    batches: dict[str, Arrival] = {}
    files: dict[str, SeenFile] = {}
    companions: dict[str, SeenFile] = {}
    companions_content: str = ""


class Registry(BaseModel):
    """All that is known of the sources, by name."""

    sources: dict[str, SourceState] = Field(default_factory=dict)


def registry_of(storage: Storage) -> Registry:
    """The registry as it stands; empty where nothing was looked at yet. Raises StorageError for a damaged one."""
    path = _path(storage)
    return _parsed(path, path.read_bytes() if path.exists() else b"")


@contextmanager
def opened(storage: Storage) -> Iterator[Registry]:
    """The registry, to be changed: written when the block ends well, by one process or thread at a time.

    Raises:
        StorageError: it is damaged, or its folder may not be written to.
    """
    path = _path(storage)
    with locked(path.with_name(".registry.lock")):
        before = path.read_bytes() if path.exists() else b""
        registry = _parsed(path, before)
        yield registry
        after = registry.model_dump_json(exclude_none=True).encode()
        if after != before:
            write_atomically(path, after)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file; waits for another process or thread that holds it."""
    make_writable(path.parent)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _parsed(path: Path, content: bytes) -> Registry:
    try:
        return Registry.model_validate_json(content) if content else Registry()
    except ValidationError:
        raise StorageError(
            f"{path} is damaged. Bring it back from a backup, or remove it: the batches that are there are found "
            "again, also those that were withdrawn; of those whose files are gone nothing will be known."
        ) from None


def _path(storage: Storage) -> Path:
    return storage.root / "arrivals" / "registry.json"
