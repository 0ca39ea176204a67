"""Files of any kind as text: rows of tables, cells of databases, and parts of all other files, compressed or not."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sqlite3
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from io import BufferedIOBase
from typing import IO, cast

import polars as pl
import pyarrow as pa

from fineline.resources.core.storage.parquet import row_groups
from fineline.resources.core.storage.root import Root
from fineline.resources.governance.forgetting.texts import BETWEEN, contains_any, strings

_CHUNK = 2**22
_OVERLAP = 2**14
_ROWS = 2_000
_SQLITE = b"SQLite format 3\0"
_PARQUET = b"PAR1"
_COMPRESSED: dict[bytes, Callable[[BufferedIOBase], BufferedIOBase]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lambda file: lzma.LZMAFile(cast(IO[bytes], file)),  # noqa: SIM115  (its reader closes it)
}
_ZIP = b"PK\x03\x04"
# What reading raises for a file that is not whole. Nobody can show that such a file holds nothing.
DAMAGED = (pa.ArrowInvalid, pl.exceptions.ComputeError, zipfile.BadZipFile, gzip.BadGzipFile, lzma.LZMAError, EOFError)


def parts(root: Root, key: str) -> Iterator[pl.DataFrame]:
    """The strings of a file, part by part, in the column ``text``; those of records beside their ``record_id``.

    Raises:
        FileNotFoundError: there is no such file.
        one of ``DAMAGED``: the file is not whole.
    """
    with root.open(key) as file:
        start = file.read(len(_SQLITE))
        # A file that a run is writing, or left unfinished, has no suffix yet.
        if key.endswith(".parquet") or start.startswith(_PARQUET):
            yield from _rows(root, key)
            return
        file.seek(0)
        yield from _chunks(file)
        for magic, opened in _COMPRESSED.items():
            if start.startswith(magic):
                file.seek(0)
                with opened(file) as content:
                    yield from _chunks(content)
        if start.startswith(_ZIP):
            with zipfile.ZipFile(file) as archive:
                yield pl.DataFrame({"text": archive.namelist()}, schema={"text": pl.String})
                for name in archive.namelist():
                    with archive.open(name) as content:
                        yield from _chunks(content)
    if start == _SQLITE:
        yield from _cells(root, key)


def file_contains(root: Root, key: str, needles: Sequence[str]) -> bool:
    """Whether a file contains one of the needles. A missing file does not; a damaged one counts as if it did."""
    try:
        return any(contains_any(part["text"], needles).any() for part in parts(root, key))
    except FileNotFoundError:
        return False
    except DAMAGED:
        return True


def text_of(content: bytes) -> str:
    """Bytes as text: in UTF-8, and what is not, in Latin-1 and UTF-16 as well."""
    text = content.decode("utf-8", errors="replace").replace(BETWEEN, " ")
    if "\ufffd" in text or "\0" in text:
        text += BETWEEN + content.replace(b"\0", b"").decode("latin-1").replace(BETWEEN, " ")
    return text


def _rows(root: Root, key: str) -> Iterator[pl.DataFrame]:
    for group in row_groups(root, key):
        for rows in group.iter_slices(_ROWS):
            found = strings(rows)
            for name in (name for name, kind in rows.schema.items() if kind == pl.Binary):
                readable = pl.Series([_readable(cell) for cell in rows[name]], dtype=pl.String)
                found = pl.select(pl.concat_str(found, readable, separator=BETWEEN)).to_series()
            ids = rows["record_id"].cast(pl.String) if "record_id" in rows.columns else None
            yield pl.DataFrame({"text": found, **({} if ids is None else {"record_id": ids})})


def _readable(cell: bytes | None) -> str:
    """A cell of bytes, if it is text."""
    try:
        return (cell or b"").decode().replace(BETWEEN, " ")
    except UnicodeDecodeError:
        return ""


def _chunks(file: BufferedIOBase | IO[bytes]) -> Iterator[pl.DataFrame]:
    end = b""
    while chunk := file.read(_CHUNK):
        content = end + chunk
        yield pl.DataFrame({"text": [text_of(content)]})
        end = content[-_OVERLAP:]


def _cells(root: Root, key: str) -> Iterator[pl.DataFrame]:
    """The cells of a database. SQLite stores a long value in several places, so its bytes are not enough."""
    uri = f"{root.local(key).absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=60)) as database:
        database.text_factory = bytes
        tables = [name.decode() for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            rows = database.execute('SELECT * FROM "{}"'.format(table.replace('"', '""')))
            while some := rows.fetchmany(_ROWS):
                texts = [BETWEEN.join(text_of(cell) for cell in row if isinstance(cell, bytes)) for row in some]
                yield pl.DataFrame({"text": texts}, schema={"text": pl.String})
