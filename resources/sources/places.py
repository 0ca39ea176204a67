"""Where files lie: in a folder of this machine, or at a URL that fsspec can open."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

import fsspec

from fineline.resources.recipe_data import Location
from fineline.resources.sources.batches import SourceError

SETTLED_SECONDS = 2.0


@dataclass(frozen=True)
class LocalFile:
    """A file of this machine."""

    path: Path

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.path.name

    @property
    def size(self) -> int:
        """Bytes, as stored."""
        return self.path.stat().st_size

    def fingerprint(self) -> str:
        """SHA-256 of the bytes."""
        stat = self.path.stat()
        # A file that is being written can change twice within one tick of the file system's clock.
        if time.time() - stat.st_mtime < SETTLED_SECONDS:
            return _sha256(self.path)
        return _settled_sha256(self.path, stat.st_size, stat.st_mtime_ns, stat.st_ino)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The bytes."""
        with told(str(self.path)):
            file = self.path.open("rb", buffering=0)
        with file:
            yield file


@dataclass(frozen=True)
class RemoteFile:
    """A file at a URL, in a store that tells of each file's size and version."""

    store: Any
    path: str
    size: int

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.path.rstrip("/").rpartition("/")[2]

    def fingerprint(self) -> str:
        """A hash of what the store says of the file (its version, or size and time): nothing is fetched."""
        with told(self.path):
            return hashlib.sha256(str(self.store.ukey(self.path)).encode()).hexdigest()

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The bytes, fetched a block at a time."""
        with told(self.path):
            file = self.store.open(self.path, "rb")
        with file:
            yield file


File = LocalFile | RemoteFile


def files_at(location: Location) -> list[File]:
    """The file, or the visible files of the folder (not of its sub-folders), by name.

    Raises:
        SourceError: there is nothing, it may not be read, or no installed package can open such a URL.
    """
    if isinstance(location, str) and urlsplit(location).scheme == "file":
        location = Path(unquote(urlsplit(location).path))
    found = _local(location) if isinstance(location, Path) else _remote(location)
    return sorted(found, key=lambda file: file.name)


@contextmanager
def told(what: str) -> Iterator[None]:
    """Errors of the system as SourceError, with what to do."""
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError(f"there is nothing at {what}. Correct the path in the recipe.") from error
    except OSError as error:
        who = "; give this user the right to read it" if isinstance(error, PermissionError) else ""
        raise SourceError(f"cannot read {what}: {error.strerror or type(error).__name__}{who}.") from error


def _local(path: Path) -> list[File]:
    with told(str(path)):
        if path.is_dir():
            return [LocalFile(each) for each in path.iterdir() if each.is_file() and not each.name.startswith(".")]
        path.stat()
        return [LocalFile(path)]


def _remote(url: str) -> list[File]:
    scheme = urlsplit(url).scheme
    try:
        store, path = fsspec.url_to_fs(url)
    except ImportError as error:
        raise SourceError(
            f"reading {scheme}:// needs a package that is not installed: {error}. Install it beside Fineline: "
            "pip install s3fs (for s3://), gcsfs (gs://) or adlfs (abfs://). Credentials come from the environment."
        ) from error
    except ValueError as error:
        raise SourceError(
            f"{scheme}:// is no kind of store that fsspec knows. Correct the path in the recipe."
        ) from error
    with told(url):
        # A folder that a sensor lists again and again must not be remembered as it was.
        store.invalidate_cache()
        listed = [store.info(path)] if store.isfile(path) else store.ls(path, detail=True)
    found: list[File] = []
    for each in listed:
        name = each["name"].rstrip("/").rpartition("/")[2]
        if each["type"] != "file" or name.startswith("."):
            continue
        if each["size"] is None:
            raise SourceError(f"{url}: the store does not say how large {name} is; copy it into a folder.")
        found.append(RemoteFile(store, each["name"], each["size"]))
    return found


@lru_cache(maxsize=4096)
def _settled_sha256(path: Path, size: int, modified: int, inode: int) -> str:
    """Listing is done again and again by sensors; gigabytes are hashed only when they have changed."""
    return _sha256(path)


def _sha256(path: Path) -> str:
    with told(str(path)), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
