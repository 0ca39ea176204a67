"""Taking text files apart into rows, one at a time."""

import csv
import hashlib
import io
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fineline.resources.data.formats.json_array import array_values
from fineline.resources.data.formats.rows import (
    MAXIMUM_RECORD,
    RAW_CHARACTERS,
    SURROGATE,
    RawRow,
    Row,
    SourceError,
    shown,
)
from fineline.resources.data.formats.sections import MAXIMUM_CHARACTERS, sections

TOO_LONG = f"is longer than {MAXIMUM_RECORD >> 20} MiB"
# A long text is read and cut into sections so many bytes at a time.
WINDOW = 4 * 2**20


def jsonl_rows(stream: io.BufferedReader, key: str) -> Iterator[Row | RawRow]:
    """One row for each line that is not blank. A line that is no JSON object is kept as it is, with why."""
    for number, line in enumerate(_lines(stream), start=1):
        location = f"line {number}"
        if isinstance(line, RawRow):
            yield RawRow(location, line.raw, line.reason)
        elif line.strip():
            yield _json_row(location, line.strip())


def json_rows(stream: io.BufferedReader, key: str) -> Iterator[Row | RawRow]:
    """One row for each element of a JSON array. Raises SourceError where the file is no such array."""
    for number, (value, size) in enumerate(array_values(stream, key), start=1):
        location = f"row {number}"
        if isinstance(value, dict):
            yield Row(location, value, size)
        else:
            yield RawRow(location, json.dumps(value).encode(), "is no JSON object")


def csv_rows(stream: io.BufferedReader, key: str) -> Iterator[Row | RawRow]:
    """One row for each record of a CSV file with a header; all values are strings, empty ones null.

    A record of more fields than the header, or with bytes that are not UTF-8, is kept as it is, with why.

    Raises:
        SourceError: quotes are not closed, a name stands twice in the header, or a field is longer than 16 MiB.
    """
    csv.field_size_limit(MAXIMUM_RECORD)
    header: list[str] | None = None
    line = 1
    # Bytes that are not UTF-8 become half surrogates, by which their record is told from its neighbours.
    with io.TextIOWrapper(stream, "utf-8", errors="surrogateescape", newline="") as text:
        lines = csv.reader(text, strict=True)
        try:
            for fields in lines:
                location, line = f"line {line}", lines.line_num + 1
                if header is None:
                    header = _header(fields, key) if fields else None
                elif fields:
                    yield _csv_row(location, header, fields)
        except csv.Error:
            raise SourceError(
                f"{key} line {line} is not readable as CSV. A field that holds a comma, a quote or a line break must "
                "stand in quotes, each quote in it doubled; no field may be longer than 16 MiB."
            ) from None


def text_rows(stream: io.BufferedReader, key: str) -> Iterator[Row | RawRow]:
    """The whole text as one row, or its sections where it is longer than 4,000 characters.

    A text of more than 4 MiB is cut at a blank line first. One with a byte that is not UTF-8 is kept as it is.
    """
    sections_so_far = 0
    for first, last, window in _windows(stream):
        if isinstance(window, RawRow):
            yield RawRow(f"line {first}", window.raw, window.reason)
            continue
        try:
            text = window.decode().strip()
        except UnicodeDecodeError as error:
            line = first + window.count(b"\n", 0, error.start)
            column = error.start - window.rfind(b"\n", 0, error.start)
            yield RawRow(f"lines {first} to {last}", window, f"line {line}, byte {column} is not UTF-8")
            continue
        parts = [text] if len(text) <= MAXIMUM_CHARACTERS else sections(text)
        for part in filter(None, parts):
            sections_so_far += 1
            yield Row(f"section {sections_so_far}", {"text": part}, len(part))


TextReader = Callable[[io.BufferedReader, str], Iterator[Row | RawRow]]
READERS: Mapping[str, TextReader] = {
    ".jsonl": jsonl_rows,
    ".ndjson": jsonl_rows,
    ".json": json_rows,
    ".csv": csv_rows,
    ".txt": text_rows,
    ".md": text_rows,
}
PLAIN_TEXT = [ending for ending, reader in READERS.items() if reader is text_rows]


def _lines(stream: io.BufferedReader) -> Iterator[bytes | RawRow]:
    """The lines; of one that is too long its beginning, and a hash of the whole that tells it from others."""
    while line := stream.readline(MAXIMUM_RECORD + 1):
        if len(line) <= MAXIMUM_RECORD:
            yield line
            continue
        digest = hashlib.sha256()
        beginning = line[: 4 * RAW_CHARACTERS]
        while line:
            digest.update(line)
            line = b"" if line.endswith(b"\n") else stream.readline(MAXIMUM_RECORD)
        yield RawRow("", beginning + digest.hexdigest().encode(), TOO_LONG)


def _windows(stream: io.BufferedReader) -> Iterator[tuple[int, int, bytes | RawRow]]:
    """Pieces of a text, with their first and last line."""
    lines: list[bytes] = []
    first, size = 1, 0
    number = 0
    for number, line in enumerate(_lines(stream), start=1):
        enough = size > 2 * WINDOW or (size > WINDOW and isinstance(line, bytes) and not line.strip())
        if lines and (enough or isinstance(line, RawRow)):
            yield first, number - 1, b"".join(lines)
            lines, first, size = [], number, 0
        if isinstance(line, RawRow):
            yield number, number, line
            first = number + 1
        else:
            lines.append(line)
            size += len(line)
    if lines:
        yield first, number, b"".join(lines)


def _json_row(location: str, line: bytes) -> Row | RawRow:
    try:
        value: Any = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        return RawRow(location, line, _json_problem(error))
    return Row(location, value, len(line)) if isinstance(value, dict) else RawRow(location, line, "is no JSON object")


def _json_problem(error: ValueError | RecursionError) -> str:
    """What is wrong, without the text in which it is wrong."""
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start + 1} is not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"no valid JSON from character {error.pos + 1}: {error.msg}"
    return "JSON that is nested too deeply" if isinstance(error, RecursionError) else "a number is too long"


def _header(fields: list[str], key: str) -> list[str]:
    twice = [name for name in fields if fields.count(name) > 1]
    if twice:
        raise SourceError(f"{key}: the header has the column {shown(twice[0])} more than once; rename one of them.")
    return fields


def _csv_row(location: str, header: list[str], fields: list[str]) -> Row | RawRow:
    raw = ",".join(fields).encode("utf-8", errors="surrogateescape")
    if len(fields) > len(header):
        return RawRow(location, raw, f"has {len(fields)} fields, the header {len(header)}")
    if any(not field.isascii() and SURROGATE.search(field) for field in fields):
        return RawRow(location, raw, "holds bytes that are not UTF-8")
    values = {name: field or None for name, field in itertools.zip_longest(header, fields)}
    return Row(location, values, len(raw))
