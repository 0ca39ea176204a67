"""Files as a source: a file, or a folder (without its sub-folders) in which each file is one batch."""

import gzip
import hashlib
import re
import time
import zlib
from functools import lru_cache
from pathlib import Path

from fineline.resources.recipe_data import Columns, Files
from fineline.resources.sources.batches import Batch, BatchRows, SourceError
from fineline.resources.sources.fitting import fit_rows
from fineline.resources.sources.formats import READERS, TEXT_FORMATS

KEY_CHARACTERS = 120
NOT_IN_KEYS = re.compile(r"[^\w .()+@=-]|\.\.+")
SETTLED_SECONDS = 2.0


def batches(source: Files) -> list[Batch]:
    """The files of the source, by name, each with the SHA-256 of its bytes.

    Hidden files, sub-folders and files of other formats are left out.

    Raises:
        SourceError: there is nothing at the path, it holds no file of a known format, or it cannot be read.
    """
    return [Batch(key, _fingerprint(path)) for key, path in _files(source).items()]


def read(source: Files, key: str) -> BatchRows:
    """The rows of one file. Raises SourceError where the file as a whole cannot be read."""
    files = _files(source)
    if key not in files:
        raise SourceError(f"{key} is no longer in {source.path}: put the file back, or take the batch out.")
    path = files[key]
    rows = READERS[_format(path)](_content(path), key)
    if _format(path) in TEXT_FORMATS:
        return fit_rows(key, rows, source.licence, source.limit, Columns(), group=key.partition("/")[2])
    return fit_rows(key, rows, source.licence, source.limit, source.columns, source.strip_end)


def batch_key(source: str, name: str) -> str:
    """``<source>/<name>``; a name that is too long or unfit for a key is changed and ends in a hash."""
    safe = NOT_IN_KEYS.sub("_", name)
    room = KEY_CHARACTERS - len(source) - 1
    if safe == name and len(name) <= room:
        return f"{source}/{name}"
    digest = hashlib.blake2b(name.encode("utf-8", errors="surrogatepass"), digest_size=6).hexdigest()
    return f"{source}/{safe[: max(room - 13, 8)]}-{digest}"


def _files(source: Files) -> dict[str, Path]:
    path = source.path
    try:
        if path.is_file():
            found = [path]
        elif path.is_dir():
            found = sorted(each for each in path.iterdir() if _is_visible_file(each))
        else:
            raise SourceError(f"{source.name}: there is nothing at {path}. Correct the path in the recipe.")
    except OSError as error:
        raise _unreadable(path, error) from error
    known = [each for each in found if _format(each) in READERS]
    if not known:
        what = "no file of a known format" if found else "no files (sub-folders are not read)"
        raise SourceError(f"{source.name}: {path} holds {what}. Known formats: {', '.join(READERS)}.")
    return {batch_key(source.name, each.name): each for each in known}


def _is_visible_file(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


def _format(path: Path) -> str:
    """The end of the name that tells the format, such as ``.jsonl.gz``; in lower case."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return "".join(suffixes[-2:] if suffixes[-1:] == [".gz"] else suffixes[-1:])


def _fingerprint(path: Path) -> str:
    stat = path.stat()
    # A file that is being written can change twice within one tick of the file system's clock.
    if time.time() - stat.st_mtime < SETTLED_SECONDS:
        return _sha256(path)
    return _settled_sha256(path, stat.st_size, stat.st_mtime_ns, stat.st_ino)


@lru_cache(maxsize=4096)
def _settled_sha256(path: Path, size: int, modified: int, inode: int) -> str:
    """Listing is done again and again by sensors; gigabytes are hashed only when they have changed."""
    return _sha256(path)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix.lower() == ".gz" else content
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(f"{path} is a damaged or half-written gzip file; copy it again.") from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> SourceError:
    who = "; give this user the right to read it" if isinstance(error, PermissionError) else ""
    return SourceError(f"cannot read {path}: {error.strerror}{who}.")
