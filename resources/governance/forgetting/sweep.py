"""The sweep: where under the storage root a text still stands, in whatever kind of file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import polars as pl
import pyarrow as pa

from fineline.resources.core.storage.files import file_digest
from fineline.resources.core.storage.inventory import parts
from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.forgetting.texts import BETWEEN, says_any, strings

# The requests themselves are destroyed when all is done; the key holds nothing of a record.
OWN = ("requests", "pseudonym.key", "locks", ".lock")
WEIGHTS = ".safetensors"
_CHUNK = 2**22
_OVERLAP = 2**14
_ROWS = 2_000
_SQLITE = b"SQLite format 3\0"
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class Swept:
    """How many files were read, and in which of them something that was sought still stands."""

    files: int
    remains: list[str]


def sweep(storage: Storage, needles: Sequence[str]) -> Swept:
    """Look through every file under the storage root for texts in comparable form.

    Parquet is decoded; of a database every cell is read, and the file's bytes, with what was deleted from it; of
    other files the text, also where it is escaped as in JSON. Weights of models are not read, nor are files that
    came with the base model, whose vocabulary has words of any text.
    """
    given = {_digest(path) for path in _files(storage.folder("base_model"))}
    read = [path for path in _files(storage.root) if not (given and _digest(path) in given)]
    standing = [path for path in read if says(path, needles)] if needles else []
    return Swept(len(read), [*_shown(storage.root, standing, needles), *_named(storage.root, read, needles)])


def says(path: Path, needles: Sequence[str]) -> bool:
    """Whether a file says one of the needles; one that is gone meanwhile does not, a table that is damaged may."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_SQLITE))
        # What a run is writing, or has left unfinished, has no suffix yet.
        if path.suffix == ".parquet" or start.startswith(_PARQUET):
            texts: Iterator[pl.Series] = (strings(part) for part in parts(path))
            return any(says_any(text, needles).any() for text in texts)
        return bytes_say(path, needles) or (start == _SQLITE and _cells_say(path, needles))
    except FileNotFoundError:
        return False
    except (pa.ArrowInvalid, pl.exceptions.ComputeError):
        return True


def bytes_say(path: Path, needles: Sequence[str]) -> bool:
    """Whether a file's bytes, read as text, say one of the needles; one that is gone meanwhile does not."""
    end = b""
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                text = (end + chunk).decode("utf-8", errors="replace").replace(BETWEEN, " ")
                if says_any(pl.Series([text]), needles).any():
                    return True
                end = chunk[-_OVERLAP:]
    except FileNotFoundError:
        return False
    return False


def _cells_say(path: Path, needles: Sequence[str]) -> bool:
    """A text that is longer than a page lies in pieces in the file."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=60)) as database:
        database.text_factory = bytes
        tables = [name.decode() for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            rows = database.execute('SELECT * FROM "{}"'.format(table.replace('"', '""')))
            while some := rows.fetchmany(_ROWS):
                texts = [BETWEEN.join(_text(cell) for cell in row if isinstance(cell, bytes)) for row in some]
                if says_any(pl.Series(texts, dtype=pl.String), needles).any():
                    return True
    return False


def _digest(path: Path) -> str | None:
    """The hash of a file, or None where it is gone: a running service makes and removes files all the time."""
    try:
        return file_digest(path)
    except FileNotFoundError:
        return None


def _text(cell: bytes) -> str:
    return cell.decode("utf-8", errors="replace")


def _files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != WEIGHTS)
    return [path for path in found if path.relative_to(folder).parts[0] not in OWN]


def _names(root: Path, paths: Sequence[Path]) -> pl.Series:
    return pl.Series([unquote(path.relative_to(root).as_posix()) for path in paths], dtype=pl.String)


def _shown(root: Path, paths: Sequence[Path], needles: Sequence[str]) -> list[str]:
    """Paths for the certificate: from the root, without a name that itself says what is sought."""
    names = _names(root, paths)
    return names.filter(~says_any(names, needles)).to_list()


def _named(root: Path, paths: Sequence[Path], needles: Sequence[str]) -> list[str]:
    named = int(says_any(_names(root, paths), needles).sum())
    return [f"{named} files whose name says it: give the source file another name"] if named else []
