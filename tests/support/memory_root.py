"""A storage root in the memory of one process: the second implementation that the contract of `Root` is tested with."""

from __future__ import annotations

import hashlib
import io
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BufferedIOBase
from pathlib import Path

import polars as pl

from fineline.resources.core.storage import holders
from fineline.resources.core.storage.files import tree_digest
from fineline.resources.core.storage.holders import Holder, Wait
from fineline.resources.core.storage.root import Conflict, Content, Entry


@dataclass
class _Lock:
    """How many share a name, and whether one holds it alone."""

    shared: int = 0
    alone: bool = False
    holder: Holder | None = None
    waits: list = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def is_free(self, shared: bool) -> bool:
        return not self.alone and (shared or not self.shared)


class MemoryRoot:
    """Contents in a dictionary; see :class:`Root`. ``copies`` is a folder for those that are asked for as paths."""

    def __init__(self, copies: Path) -> None:
        self._files: dict[str, tuple[bytes, datetime]] = {}
        self._swapping = threading.Lock()
        self._locks: dict[str, _Lock] = {}
        self._copies = copies

    def location(self, key: str) -> str:
        return f"memory:{key}"

    def get(self, key: str, *, private: bool = False) -> Content | None:
        found = self._files.get(key)
        return None if found is None else Content(found[0], hashlib.sha256(found[0]).hexdigest())

    def put(self, key: str, content: bytes, *, private: bool = False) -> None:
        self._files[key] = (content, datetime.now(UTC))

    def swap(self, key: str, content: bytes, version: str | None, *, private: bool = False) -> None:
        with self._swapping:
            self._require(key, version)
            self.put(key, content)

    def delete(self, key: str, version: str | None = None) -> None:
        with self._swapping:
            if version is not None:
                self._require(key, version)
            for each in [*self._below(key)]:
                del self._files[each]

    def erase(self, key: str) -> None:
        self.delete(key)

    def exists(self, key: str) -> bool:
        return any(True for _ in self._below(key))

    def names(self, folder: str) -> list[str]:
        skipped = len(folder) + 1 if folder else 0
        return sorted({key[skipped:].split("/", 1)[0] for key in self._below(folder) if key != folder})

    def list(self, folder: str = "") -> Iterator[Entry]:
        for key in sorted(self._below(folder)):
            content, modified = self._files[key]
            yield Entry(key, len(content), modified)

    def open(self, key: str) -> BufferedIOBase:
        return io.BytesIO(self._content(key))

    def digest(self, key: str) -> str:
        below = [*self._below(key)]
        if below and below != [key]:
            return tree_digest((each[len(key) + 1 :], self.digest(each)) for each in below)
        return hashlib.sha256(self._content(key)).hexdigest()

    def scan(self, keys: Sequence[str], *, keys_as: str | None = None, uneven: bool = False) -> pl.LazyFrame:
        frames = [pl.scan_parquet(self._content(key)) for key in keys]
        if keys_as is not None:
            frames = [frame.with_columns(pl.lit(key).alias(keys_as)) for frame, key in zip(frames, keys, strict=True)]
        rows = pl.concat(frames, how="diagonal" if uneven else "vertical")
        return rows.select(frames[0].collect_schema().names()) if uneven else rows

    def local(self, key: str) -> Path:
        below = [*self._below(key)]
        if not below:
            raise FileNotFoundError(key)
        for each in below:
            path = self._copies / each
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._files[each][0])
        return self._copies / key

    @contextmanager
    def workspace(self, folder: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="new-") as made:
            yield Path(made)

    def take(self, files: Mapping[str, Path]) -> None:
        for key, made in files.items():
            self.delete(key)
            for path in made.rglob("*") if made.is_dir() else [made]:
                if path.is_file():
                    inside = path.relative_to(made).as_posix()
                    self.put(key if inside == "." else f"{key}/{inside}", path.read_bytes())

    @contextmanager
    def lock(self, name: str, *, shared: bool = False, wait: bool = True) -> Iterator[bool]:
        lock, me = self._locks.setdefault(name, _Lock()), holders.here()
        with lock.changed:
            held = lock.is_free(shared)
            if wait and not held:
                lock.waits.append(me)
                with holders.telling(lambda: Wait(name, me, lock.holder)):
                    held = lock.changed.wait_for(lambda: lock.is_free(shared))
                lock.waits.remove(me)
            lock.shared += held and shared
            lock.alone |= held and not shared
            lock.holder = me if held and not shared else lock.holder
        try:
            yield held
        finally:
            with lock.changed:
                lock.shared -= held and shared
                lock.alone &= not held
                lock.holder = None if held else lock.holder
                lock.changed.notify_all()

    def holder(self, name: str) -> Holder | None:
        return self._locks[name].holder

    def waits(self) -> list[Wait]:
        return [Wait(name, each, lock.holder) for name, lock in self._locks.items() for each in lock.waits]

    def _below(self, key: str) -> Iterator[str]:
        """A file of this key, or all files below a folder of this key."""
        inside = f"{key}/" if key else ""
        return (each for each in list(self._files) if each == key or each.startswith(inside))

    def _content(self, key: str) -> bytes:
        if key not in self._files:
            raise FileNotFoundError(key)
        return self._files[key][0]

    def _require(self, key: str, version: str | None) -> None:
        there = self.get(key)
        if (None if there is None else there.version) != version:
            raise Conflict(key)
