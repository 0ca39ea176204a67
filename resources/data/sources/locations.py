"""The files of a location: in a folder of this machine, or at a URL that fsspec can open.

Links are not followed, since whoever may put a file into a folder could make any file of this machine a record. A hard
link cannot be told from the file itself.
"""

from __future__ import annotations

import errno
import ftplib
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

import fsspec

from fineline.resources.core.recipe.base import Location
from fineline.resources.core.redaction import expanded
from fineline.resources.data.formats.rows import PassingError, SourceError

LINK = "it is a link, and links are not followed; put the file itself in its place"
FOLDER = "it is a folder, and sub-folders are not read; put its files beside the others"
# How stores call what changes when a file does: s3, gcs and http, abfs, local ones over the network, memory.
VERSIONS = ["ETag", "etag", "md5Hash", "Content-MD5", "generation", "mtime", "LastModified", "last_modified"]
VERSIONS += ["Last-Modified", "modify", "last_write_time", "created"]


@dataclass(frozen=True)
class LocalFile:
    """A file of this machine, as it was when it was listed.

    ``size`` is in bytes, as stored. ``mark`` changes when the file is written to, renamed, or replaced by another
    one, even of the same time. ``modified`` is the time of the last write, in seconds since 1970. ``refused`` is why it
    is not read, or empty.
    """

    path: Path
    size: int
    mark: str
    modified: float
    refused: str = ""

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.path.name

    def fingerprint(self, called: str) -> str:
        """SHA-256 of the bytes."""
        with as_source_error(called), self.open() as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def open(self) -> FileIO:
        """The bytes. Raises OSError, also where a link or a pipe has taken the place of the file."""
        return open(self.path, "rb", buffering=0, opener=_open_plain_file)


@dataclass(frozen=True)
class RemoteFile:
    """A file at a URL, in a store that gives each file's size and version.

    ``mark`` is a hash of the version that the store gives, or of the time. Stores do not agree on how they give the
    time of the last write: ``modified`` is None.
    """

    store: Any
    path: str
    size: int
    mark: str
    modified: None = None
    refused: str = ""

    @property
    def name(self) -> str:
        """The file's name without its folder, and without what follows the ? of a URL."""
        path = self.path.partition("?")[0] if "://" in self.path else self.path
        return path.rstrip("/").rpartition("/")[2]

    def fingerprint(self, called: str) -> str:
        """A hash of the store's version of the file, or of its size and time: nothing is fetched."""
        with as_source_error(called):
            return hashlib.sha256(str(self.store.ukey(self.path)).encode()).hexdigest()

    def open(self) -> BinaryIO:
        """The bytes, fetched a block at a time. Raises OSError."""
        file: BinaryIO = self.store.open(self.path, "rb")
        return file


File = LocalFile | RemoteFile


def files_at(location: Location) -> list[File]:
    """The file, or the visible files of the folder (not of its sub-folders), by name; also those that are refused.

    Raises:
        SourceError: there is nothing, it may not be read, or no installed package can open such a URL.
    """
    place = _local_path(location)
    found = _local(place) if isinstance(place, Path) else _remote(place)
    return sorted(found, key=lambda file: file.name)


def file_at(location: Location, name: str, called: str) -> File:
    """The file of that name in the folder, or the file that the location is.

    Raises as ``files_at`` does; errors show ``called`` in place of the file's name, which may be personal data.
    """
    place = _local_path(location)
    if isinstance(place, Path):
        path = place / name if place.is_dir() else place
        with as_source_error(called):
            return _local_file(path)
    store, root = _store(place)
    with as_source_error(called):
        store.invalidate_cache()
        info = store.info(root if store.isfile(root) else f"{root.rstrip('/')}/{name}")
        return _remote_file(store, info, called)


@contextmanager
def as_source_error(what: str) -> Iterator[None]:
    """Errors of the system and of stores as SourceError, with what to do; the name of the file is cut off."""
    try:
        yield
    except FileNotFoundError:
        raise PassingError(f"there is nothing at {what}. Correct the path in the recipe.") from FileNotFoundError()
    except (OSError, EOFError, ftplib.Error) as error:
        who = "; give this user the right to read it" if isinstance(error, PermissionError) else ""
        reason = getattr(error, "strerror", None) or type(error).__name__
        # The cause tells whether it may pass; the name of the file in it is cut off.
        cause = OSError(error.errno, error.strerror) if isinstance(error, OSError) else None
        raise PassingError(f"cannot read {what}: {reason}{who}.") from cause


def _local_path(location: Location) -> Location:
    """The folder or file of this machine that a file:// URL names; other locations as they are."""
    if isinstance(location, str) and urlsplit(location).scheme == "file":
        return Path(unquote(urlsplit(expanded(location, with_secrets=True)).path))
    return location


def _local(path: Path) -> list[File]:
    with as_source_error(str(path)):
        if not path.is_dir():
            return [_local_file(path)]
        found: list[File] = []
        with os.scandir(path) as entries:
            for entry in entries:
                # What is gone since it was listed was renamed, or taken away again.
                with suppress(FileNotFoundError):
                    if not entry.name.startswith("."):
                        found.append(_entry(path / entry.name))
        return found


def _entry(path: Path) -> LocalFile:
    """A file of a folder; one that the system does not describe is refused, and stops none of the others."""
    try:
        return _local_file(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        return LocalFile(path, 0, "", 0.0, f"it cannot be read: {error.strerror}")


def _local_file(path: Path) -> LocalFile:
    info = path.lstat()
    refused = LINK if stat.S_ISLNK(info.st_mode) else "" if stat.S_ISREG(info.st_mode) else "it is no file"
    refused = FOLDER if stat.S_ISDIR(info.st_mode) else refused
    # The time of change is the one that nobody can set: an archive gives its files their old times again, and the
    # inode of a file that was removed is soon that of another.
    mark = f"{info.st_ino}-{info.st_mtime_ns}-{info.st_ctime_ns}"
    return LocalFile(path, info.st_size, mark, info.st_mtime, refused)


def _open_plain_file(path: str, flags: int) -> int:
    """A descriptor of a file, for ``open``. Neither follows a link nor waits for a pipe's other end."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no file")
    return descriptor


def _store(url: str) -> tuple[Any, str]:
    scheme = urlsplit(url).scheme
    try:
        with as_source_error(url):
            store, path = fsspec.url_to_fs(expanded(url, with_secrets=True))
            return store, path
    except ImportError as error:
        raise SourceError(
            f"reading {scheme}:// needs a package that is not installed: {error}. Install it beside Fineline: "
            "pip install s3fs (for s3://), gcsfs (gs://) or adlfs (abfs://). Credentials come from the environment."
        ) from error
    except ValueError as error:
        raise SourceError(
            f"{scheme}:// is no kind of store that fsspec knows. Correct the path in the recipe."
        ) from error


def _remote(url: str) -> list[File]:
    store, path = _store(url)
    with as_source_error(url):
        # A sensor lists a folder again and again; the store must not answer from memory.
        store.invalidate_cache()
        listed = [store.info(path)] if store.isfile(path) else store.ls(path, detail=True)
    visible = [each for each in listed if not each["name"].rstrip("/").rpartition("/")[2].startswith(".")]
    return [_remote_file(store, each, url) for each in visible if each["type"] == "file" or _is_link(each)]


def _remote_file(store: Any, info: Mapping[str, Any], called: str) -> RemoteFile:
    path = info["name"]
    if info["size"] is None:
        raise SourceError(f"{called}: the store does not say how large a file is; copy the files into a folder.")
    version = next((info[each] for each in VERSIONS if info.get(each)), "")
    # Some stores give the time of one file as a date, and those of a folder's files in seconds.
    version = version.timestamp() if isinstance(version, datetime) else version
    mark = hashlib.sha256(f"{path} {version}".encode()).hexdigest()[:16]
    return RemoteFile(store, path, info["size"], mark, refused=LINK if _is_link(info) else "")


def _is_link(info: Mapping[str, Any]) -> bool:
    """Whether an entry of a store is a link, as those of local:// and sftp:// may be."""
    return info["type"] == "link" or bool(info.get("islink"))
