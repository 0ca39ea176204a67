"""The registry of batches that have arrived, stored beside the tables: the one place that holds their names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.presentation.inert import inert
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.files import StorageError
from fineline.resources.core.storage.store import Storage
from fineline.resources.data.sources.batch import Bound, Place

# The key of a batch, which stands for it in messages and in everything that is stored.
KEY = re.compile(r"(?<![\w/])[a-z][a-z0-9_]*/[0-9a-f]{12}(?![0-9a-f])")


def name_hash(key: PseudonymKey, source: str, name: str) -> str:
    """The keyed hash of a batch's name, 32 hexadecimal digits: what is stored in place of the name."""
    return key.digest("batch", source, name).hex()[:32]


def batch_key(source: str, hashed: str) -> str:
    """The key of the batch whose name has this hash: ``<source>/<12 hexadecimal digits>``."""
    return f"{source}/{hashed[:12]}"


class SeenFile(BaseModel):
    """A file at its last scan, and its content as far as that is known.

    ``since`` is when it was first seen like this, ``pieces`` are the hashes of its first parts, ``content`` is the
    hash of the whole; ``failed`` marks a file that could not be read. A file whose size and mark stay is not read
    again.
    """

    model_config = ConfigDict(frozen=True)

    size: int
    mark: str
    since: float
    pieces: tuple[str, ...] = ()
    content: str | None = None
    failed: Literal[True] | None = None


class Refusal(BaseModel):
    """Why a batch was refused, in which ``version``, and under which ``terms`` of the recipe and the code.

    ``kept`` is the version before, where that is stored and stays.
    """

    model_config = ConfigDict(frozen=True)

    reason: str
    version: str
    terms: str
    kept: str | None = None


class Arrival(BaseModel):
    """A batch: its content (a hash), where it is, since when, and in which version.

    ``name`` is the name that people see, after a renaming the new one; it is stored nowhere else, and None once it is
    blanked. ``name_hash`` is its keyed hash. A batch that is ``gone`` stays as it was stored; one that is
    ``withdrawn`` is a batch no longer, and does not become one again by the same content. One with a ``refusal`` is
    none in that version.
    """

    model_config = ConfigDict(frozen=True)

    name: str | None = None
    name_hash: str
    content: str
    place: Place | None = None
    first_seen: float
    state: Literal["there", "gone", "withdrawn"] = "there"
    versions: int = 1
    refusal: Refusal | None = None


class SourceState(BaseModel):
    """A source: where it is, its batches by key, its files by the hash of their name, and the files read with them.

    ``companions`` are the files that all batches are read with, by their place; ``companions_content`` is the hash of
    them all when they were last complete. ``asked`` is the time of the last question to a source that has to be
    asked, ``obstacle`` why the last scan failed, and ``mark`` the highest value of its increment so far.
    """

    origin: str
    asked: float | None = None
    obstacle: str | None = None
    mark: Bound | None = None
    batches: dict[str, Arrival] = {}
    files: dict[str, SeenFile] = {}
    companions: dict[str, SeenFile] = {}
    companions_content: str = ""


def free_key(source: str, hashed: str, taken: Container[str]) -> str:
    """The key for the hash of a name, or, where another batch has that one, for a hash of the hash."""
    while (key := batch_key(source, hashed)) in taken:
        hashed = hashlib.sha256(hashed.encode()).hexdigest()
    return key


class Registry(BaseModel):
    """The state of every source, by name."""

    sources: dict[str, SourceState] = Field(default_factory=dict)

    def arrival(self, key: str) -> Arrival | None:
        """The batch of that key, also where it is gone or withdrawn."""
        state = self.sources.get(key.partition("/")[0])
        return state.batches.get(key) if state else None

    def name_of(self, key: str) -> str:
        """The name that people see, ``<source>/<name>``; the key itself for a name that was blanked or is not known."""
        arrival = self.arrival(key)
        return key if arrival is None or arrival.name is None else f"{key.partition('/')[0]}/{arrival.name}"

    def change(self, key: str, **fields: Any) -> bool:
        """Change fields of the batch of that key. Returns whether there is one."""
        arrival = self.arrival(key)
        if arrival is not None:
            self.sources[key.partition("/")[0]].batches[key] = arrival.model_copy(update=fields)
        return arrival is not None

    def shown(self, text: str) -> str:
        """A text for people: each key of a batch in it is replaced by the name that they know."""
        return KEY.sub(lambda found: inert(self.name_of(found[0])), text)


def registry_of(storage: Storage) -> Registry:
    """The registry as it stands; empty before the first scan. Raises StorageError for a damaged one."""
    found = storage.root.get(layout.ARRIVALS)
    return _parsed(storage, b"" if found is None else found.content)


@contextmanager
def opened(storage: Storage) -> Iterator[Registry]:
    """The registry, to be changed: written when the block ends well, by one process or thread at a time.

    Raises:
        StorageError: it is damaged, or its folder may not be written to.
    """
    with storage.root.lock(layout.ARRIVALS_LOCK):
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
