"""Taking the bytes of a file apart into rows."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import polars as pl

from fineline.resources.sources.batches import RawRow, Row, SourceError
from fineline.resources.sources.sections import MAXIMUM_CHARACTERS, sections

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def jsonl_rows(content: bytes, key: str) -> Iterator[Row | RawRow]:
    """One row for each line that is not blank. A line that is no JSON object is kept as it is, with why."""
    name = _name(key)
    for number, line in enumerate(content.removeprefix(BYTE_ORDER_MARK).split(b"\n"), start=1):
        if line.strip():
            yield _json_row(f"{name} line {number}", line.strip())


def json_rows(content: bytes, key: str) -> Iterator[Row | RawRow]:
    """One row for each element of a JSON array. Raises SourceError where the file is no such array."""
    try:
        values = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise SourceError(
            f"{key} is not one JSON value: {_json_problem(error)}. "
            "If it holds one object a line, give it the ending .jsonl; otherwise write it again."
        ) from error
    if not isinstance(values, list):
        raise SourceError(f"{key} is no array of objects; write it as [{{…}}, {{…}}], or one object a line as .jsonl.")
    for number, value in enumerate(values, start=1):
        location = f"{_name(key)} row {number}"
        if isinstance(value, dict):
            yield Row(location, value)
        else:
            yield RawRow(location, json.dumps(value).encode(), "is no JSON object")


def csv_rows(content: bytes, key: str) -> Iterator[Row]:
    """One row for each line of a CSV file with a header; all values are strings, empty ones null."""
    if not content.removeprefix(BYTE_ORDER_MARK).strip():
        return
    try:
        frame = pl.read_csv(io.BytesIO(content), infer_schema=False)
    except pl.exceptions.PolarsError:
        # The cause is cut off: polars quotes the line that it could not read.
        raise SourceError(
            f"{key} is not a readable CSV file. It must be UTF-8, have a header row and commas between "
            "the fields, no more fields in a row than in the header, and quotes around a field that holds a "
            "comma or a line break."
        ) from None
    yield from frame_rows(frame, key)


def parquet_rows(content: bytes, key: str) -> Iterator[Row]:
    """One row for each row of a Parquet file."""
    if not content:
        return
    try:
        frame = pl.read_parquet(io.BytesIO(content))
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{key} is not a readable Parquet file; copy or write it again.") from error
    yield from frame_rows(frame, key)


def text_rows(content: bytes, key: str) -> Iterator[Row | RawRow]:
    """The whole text as one row, or its sections where it is longer than 4,000 characters."""
    name = _name(key)
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        yield RawRow(name, content, f"byte {error.start + 1} is not UTF-8")
        return
    parts = [text] if len(text) <= MAXIMUM_CHARACTERS else sections(text)
    for number, part in enumerate(parts, start=1):
        if part:
            yield Row(f"{name} section {number}", {"text": part})


def frame_rows(frame: pl.DataFrame, key: str) -> Iterator[Row]:
    """The rows of a frame, each a dictionary of its columns."""
    for number, values in enumerate(frame.iter_rows(named=True), start=1):
        yield Row(f"{_name(key)} row {number}", values)


Reader = Callable[[bytes, str], Iterator[Row | RawRow]]
TEXT_FORMATS = [".txt", ".txt.gz", ".md"]
READERS: Mapping[str, Reader] = {
    ".jsonl": jsonl_rows,
    ".jsonl.gz": jsonl_rows,
    ".json": json_rows,
    ".json.gz": json_rows,
    ".csv": csv_rows,
    ".csv.gz": csv_rows,
    ".parquet": parquet_rows,
    **dict.fromkeys(TEXT_FORMATS, text_rows),
}


def _json_row(location: str, line: bytes) -> Row | RawRow:
    try:
        value: Any = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        return RawRow(location, line, _json_problem(error))
    return Row(location, value) if isinstance(value, dict) else RawRow(location, line, "is no JSON object")


def _json_problem(error: ValueError | RecursionError) -> str:
    """What is wrong, without the text in which it is wrong."""
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start + 1} is not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"no valid JSON from character {error.pos + 1}: {error.msg}"
    return "JSON that is nested too deeply" if isinstance(error, RecursionError) else "a number is too long"


def _name(key: str) -> str:
    return key.partition("/")[2]
