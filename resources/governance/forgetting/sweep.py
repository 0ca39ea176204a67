"""The sweep: every file under the storage root that still contains one of some texts, of any kind of file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import polars as pl
import pyarrow as pa

from fineline.data_contracts import catalog
from fineline.resources.core.storage.files import file_digest
from fineline.resources.core.storage.inventory import parts
from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.forgetting.texts import BETWEEN, contains_any, strings

# Requests are destroyed when they are done; the key and the locks hold nothing of a record.
OWN = ("requests", "pseudonym.key", "locks", ".lock")
WEIGHTS = ".safetensors"
_CHUNK = 2**22
_OVERLAP = 2**14
_ROWS = 2_000
_SQLITE = b"SQLite format 3\0"
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class Swept:
    """How many files were read, and the places that still contain something that was sought."""

    files: int
    remains: list[str]


def sweep(storage: Storage, needles: Sequence[str]) -> Swept:
    """Search every file under the storage root for texts in comparable form.

    Parquet files are decoded. A database is searched cell by cell and, for deleted rows, byte by byte. Other files are
    read as text, plain and with JSON's escapes resolved. The weights of models are not searched, nor are files that
    equal one of the base model's, whose vocabulary has the words of any text.
    """
    given = {_digest(path) for path in _files(storage.folder(catalog.BASE_MODEL.name))}
    read = [path for path in _files(storage.root) if not (given and _digest(path) in given)]
    found = [path for path in read if file_contains(path, needles)] if needles else []
    return Swept(len(read), [*_shown(storage.root, found, needles), *_named(storage.root, read, needles)])


def file_contains(path: Path, needles: Sequence[str]) -> bool:
    """Whether a file contains one of the needles. A missing file does not; a damaged table counts as if it did."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_SQLITE))
        # A file that a run is writing, or left unfinished, has no suffix yet.
        if path.suffix == ".parquet" or start.startswith(_PARQUET):
            return any(contains_any(strings(part), needles).any() for part in parts(path))
        return bytes_contain(path, needles) or (start == _SQLITE and _cells_contain(path, needles))
    except FileNotFoundError:
        return False
    except (pa.ArrowInvalid, pl.exceptions.ComputeError):
        return True


def bytes_contain(path: Path, needles: Sequence[str]) -> bool:
    """Whether a file's bytes, read as text, contain one of the needles. A missing file does not."""
    end = b""
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                text = (end + chunk).decode("utf-8", errors="replace").replace(BETWEEN, " ")
                if contains_any(pl.Series([text]), needles).any():
                    return True
                end = chunk[-_OVERLAP:]
    except FileNotFoundError:
        return False
    return False


def _cells_contain(path: Path, needles: Sequence[str]) -> bool:
    """Search the cells of a database. SQLite stores a long value in several places, so its bytes are not enough."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=60)) as database:
        database.text_factory = bytes
        tables = [name.decode() for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            rows = database.execute('SELECT * FROM "{}"'.format(table.replace('"', '""')))
            while some := rows.fetchmany(_ROWS):
                texts = [BETWEEN.join(_text(cell) for cell in row if isinstance(cell, bytes)) for row in some]
                if contains_any(pl.Series(texts, dtype=pl.String), needles).any():
                    return True
    return False


def _digest(path: Path) -> str | None:
    """The hash of a file, or None if a running service removed it meanwhile."""
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
    """Paths for the certificate, relative to the root, without those that contain what is sought themselves."""
    names = _names(root, paths)
    return names.filter(~contains_any(names, needles)).to_list()


def _named(root: Path, paths: Sequence[Path], needles: Sequence[str]) -> list[str]:
    named = int(contains_any(_names(root, paths), needles).sum())
    return [f"{named} files whose name contains it: give the source file another name"] if named else []
