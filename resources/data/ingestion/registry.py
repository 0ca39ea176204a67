"""What is known of the batches that arrived: kept beside the tables, one writer at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fineline.resources.core.storage import layout
from fineline.resources.core.storage.files import StorageError
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
    found = storage.root.get(layout.ARRIVALS)
    return _parsed(storage, b"" if found is None else found.content)


@contextmanager
def opened(storage: Storage) -> Iterator[Registry]:
    """The registry, to be changed: written when the block ends well, by one process or thread at a time.

    Raises:
        StorageError: it is damaged, or its folder may not be written to.
    """
    with storage.lock(layout.ARRIVALS_LOCK):
        found = storage.root.get(layout.ARRIVALS)
        before = b"" if found is None else found.content
        registry = _parsed(storage, before)
        yield registry
        after = registry.model_dump_json(exclude_none=True).encode()
        if after != before:
            storage.root.put(layout.ARRIVALS, after)


def _parsed(storage: Storage, content: bytes) -> Registry:
    try:
        return Registry.model_validate_json(content) if content else Registry()
    except ValidationError:
        raise StorageError(
            f"{storage.root.location(layout.ARRIVALS)} is damaged. Bring it back from a backup, or remove it: the "
            "batches that are there are found again, also those that were withdrawn; of those whose files are gone "
            "nothing will be known."
        ) from None
