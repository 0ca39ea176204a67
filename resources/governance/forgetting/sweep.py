"""The sweep: every file under the storage root that still contains one of some texts, of any kind of file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from urllib.parse import unquote

import polars as pl
import pyarrow as pa

from fineline.data_contracts import catalog
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.parquet import row_groups
from fineline.resources.core.storage.root import Root
from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.forgetting.texts import BETWEEN, contains_any, strings

# Requests are destroyed when they are done; the key and the locks hold nothing of a record.
_SKIPPED = (layout.REQUESTS, layout.PSEUDONYM_KEY, layout.LOCKS, ".lock")
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
    """Search every file under the storage root, and on its local disk, for texts in comparable form.

    Parquet files are decoded. A database is searched cell by cell and, for deleted rows, byte by byte. Other files are
    read as text, plain and with JSON's escapes resolved. The weights of models are not searched, nor are files that
    equal one of the base model's, whose vocabulary has the words of any text.
    """
    given = {_digest(storage.root, key) for key in _keys(storage.root, layout.folder(catalog.BASE_MODEL.name))} - {None}
    read = [
        (root, key) for root in storage.roots for key in _keys(root) if not given or _digest(root, key) not in given
    ]
    found = [(root, key) for root, key in read if file_contains(root, key, needles)] if needles else []
    names = _names(read)
    named = int(contains_any(names, needles).sum())
    shown = _names(found)
    remains = shown.filter(~contains_any(shown, needles)).to_list()
    if named:
        remains.append(f"{named} files whose name contains it: give the source file another name")
    return Swept(len(read), remains)


def file_contains(root: Root, key: str, needles: Sequence[str]) -> bool:
    """Whether a file contains one of the needles. A missing file does not; a damaged table counts as if it did."""
    try:
        with root.open(key) as file:
            start = file.read(len(_SQLITE))
        # A file that a run is writing, or left unfinished, has no suffix yet.
        if key.endswith(".parquet") or start.startswith(_PARQUET):
            return any(contains_any(strings(rows), needles).any() for rows in row_groups(root, key))
        return bytes_contain(root, key, needles) or (start == _SQLITE and _cells_contain(root, key, needles))
    except FileNotFoundError:
        return False
    except (pa.ArrowInvalid, pl.exceptions.ComputeError):
        return True


def bytes_contain(root: Root, key: str, needles: Sequence[str]) -> bool:
    """Whether a file's bytes, read as text, contain one of the needles. A missing file does not."""
    end = b""
    with suppress(FileNotFoundError), root.open(key) as file:
        while chunk := file.read(_CHUNK):
            content = end + chunk
            text = content.decode("utf-8", errors="replace").replace(BETWEEN, " ")
            if contains_any(pl.Series([text]), needles).any():
                return True
            end = content[-_OVERLAP:]
    return False


def _cells_contain(root: Root, key: str, needles: Sequence[str]) -> bool:
    """Search the cells of a database. SQLite stores a long value in several places, so its bytes are not enough."""
    uri = f"{root.local(key).absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=60)) as database:
        database.text_factory = bytes
        tables = [name.decode() for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            rows = database.execute('SELECT * FROM "{}"'.format(table.replace('"', '""')))
            while some := rows.fetchmany(_ROWS):
                texts = [BETWEEN.join(_text(cell) for cell in row if isinstance(cell, bytes)) for row in some]
                if contains_any(pl.Series(texts, dtype=pl.String), needles).any():
                    return True
    return False


def _digest(root: Root, key: str) -> str | None:
    """The hash of a file, or None if a running service removed it meanwhile."""
    try:
        return root.digest(key)
    except FileNotFoundError:
        return None


def _text(cell: bytes) -> str:
    return cell.decode("utf-8", errors="replace")


def _keys(root: Root, folder: str = "") -> Iterator[str]:
    for entry in root.list(folder):
        if not entry.key.endswith(WEIGHTS) and entry.key.split("/")[0] not in _SKIPPED:
            yield entry.key


def _names(files: Sequence[tuple[Root, str]]) -> pl.Series:
    return pl.Series([unquote(key) for _, key in files], dtype=pl.String)
