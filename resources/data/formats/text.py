"""Text files as rows, one at a time: JSON Lines, JSON arrays, CSV, plain text and Markdown."""

import csv
import hashlib
import io
import itertools
import json
from collections.abc import Callable, Iterator, Mapping

from fineline.resources.data.formats.json_array import TooDeep, array_values
from fineline.resources.data.formats.rows import (
    MAXIMUM_DEPTH,
    MAXIMUM_RECORD,
    RAW_CHARACTERS,
    SURROGATE,
    RawRow,
    Row,
    SourceError,
    is_too_deep,
)
from fineline.resources.data.formats.sections import MAXIMUM_CHARACTERS, sections

# A long text is read and cut into sections so many bytes at a time.
WINDOW = 4 * 2**20
PLAIN_TEXT = (".txt", ".md")
LONG_LINE, OBJECT_BYTES = 2**20, 64
TOO_DEEP = "JSON that is nested too deeply"


def jsonl_rows(stream: io.BufferedReader, key: str) -> Iterator[Row | RawRow]:
    """One row for each line that is not blank. A line that is no JSON object is kept as it is, with the reason."""
    for number, line in _lines(stream):
        if isinstance(line, RawRow):
            yield line
        elif line.strip():
            yield _json_row(f"line {number}", line.strip())


def json_rows(stream: io.BufferedReader, key: str) -> Iterator[Row | RawRow]:
    """One row for each element of a JSON array. Raises SourceError where the file is no such array."""
    for number, (value, size) in enumerate(array_values(stream, key), start=1):
        location = f"row {number}"
        if isinstance(value, dict):
            yield Row(location, value, size)
        elif isinstance(value, TooDeep):
            yield RawRow(location, value.written.encode(), TOO_DEEP)
        else:
            yield RawRow(location, json.dumps(value).encode(), "is no JSON object")


def csv_rows(stream: io.BufferedReader, key: str) -> Iterator[Row | RawRow]:
    """One row for each record of a CSV file with a header; all values are strings, empty ones null.

    A record of more fields than the header, or with bytes that are not UTF-8, is kept as it is, with the reason.

    Raises:
        SourceError: quotes are not closed, a name stands twice in the header, or a line or field is longer than 16 MiB.
    """
    csv.field_size_limit(MAXIMUM_RECORD)
    header: list[str] = []
    line = 1
    # Bytes that are not UTF-8 become half surrogates, which mark their record.
    with io.TextIOWrapper(stream, "utf-8", errors="surrogateescape", newline="") as text:
        lines = csv.reader(_csv_lines(text), strict=True)
        try:
            for fields in lines:
                location, line = f"line {line}", lines.line_num + 1
                if header and fields:
                    yield _csv_row(location, header, fields)
                elif fields:
                    header = _without_repeats(fields, key)
        except csv.Error:
            raise SourceError(
                f"{key} line {line} is not readable as CSV. A field that holds a comma, a quote or a line break must "
                "stand in quotes, each quote in it doubled; no line or field may be longer than 16 MiB."
            ) from None


def text_rows(stream: io.BufferedReader, key: str) -> Iterator[Row | RawRow]:
    """The whole text as one row, or its sections where it is longer than 4,000 characters.

    A text of more than 4 MiB is cut at a blank line first. One with a byte that is not UTF-8 is kept as it is.
    """
    numbers = itertools.count(1)
    for text in _windows(stream):
        if isinstance(text, RawRow):
            yield text
            continue
        parts = [text] if len(text) <= MAXIMUM_CHARACTERS else sections(text)
        for part in filter(None, parts):
            yield Row(f"section {next(numbers)}", {"text": part}, len(part))


READERS: Mapping[str, Callable[[io.BufferedReader, str], Iterator[Row | RawRow]]] = {
    ".jsonl": jsonl_rows,
    ".ndjson": jsonl_rows,
    ".json": json_rows,
    ".csv": csv_rows,
    **dict.fromkeys(PLAIN_TEXT, text_rows),
}


def _lines(stream: io.BufferedReader) -> Iterator[tuple[int, bytes | RawRow]]:
    """The lines by number; of one that is too long its beginning, and a hash of the whole to tell it from others."""
    for number in itertools.count(1):
        line = stream.readline(MAXIMUM_RECORD + 1)
        if not line:
            return
        if len(line) <= MAXIMUM_RECORD:
            yield number, line
            continue
        digest = hashlib.sha256()
        beginning = line[: 4 * RAW_CHARACTERS]
        while line:
            digest.update(line)
            line = b"" if line.endswith(b"\n") else stream.readline(MAXIMUM_RECORD)
        raw = beginning + digest.hexdigest().encode()
        yield number, RawRow(f"line {number}", raw, f"is longer than {MAXIMUM_RECORD >> 20} MiB")


def _windows(stream: io.BufferedReader) -> Iterator[str | RawRow]:
    """Pieces of a text, cut at blank lines, and the lines that are too long."""
    lines: list[bytes] = []
    first, size = 1, 0
    for number, line in _lines(stream):
        enough = size > 2 * WINDOW or (size > WINDOW and isinstance(line, bytes) and not line.strip())
        if lines and (enough or isinstance(line, RawRow)):
            yield _decoded(lines, first)
            lines, first, size = [], number, 0
        if isinstance(line, RawRow):
            yield line
            first = number + 1
        else:
            lines.append(line)
            size += len(line)
    if lines:
        yield _decoded(lines, first)


def _decoded(lines: list[bytes], first: int) -> str | RawRow:
    content = b"".join(lines)
    try:
        return content.decode().strip()
    except UnicodeDecodeError as error:
        line = first + content.count(b"\n", 0, error.start)
        column = error.start - content.rfind(b"\n", 0, error.start)
        location = f"lines {first} to {first + len(lines) - 1}"
        return RawRow(location, content, f"line {line}, byte {column} is not UTF-8")


def _json_row(location: str, line: bytes) -> Row | RawRow:
    """The reasons do not show the text in which something is wrong."""
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return RawRow(location, line, f"byte {error.start + 1} is not UTF-8")
    except json.JSONDecodeError as error:
        return RawRow(location, line, f"no valid JSON from character {error.pos + 1}: {error.msg}")
    except RecursionError:
        return RawRow(location, line, TOO_DEEP)
    except ValueError:
        return RawRow(location, line, "a number is too long")
    if not isinstance(value, dict):
        return RawRow(location, line, "is no JSON object")
    if line.count(b"[") + line.count(b"{") > MAXIMUM_DEPTH and is_too_deep(value):
        return RawRow(location, line, TOO_DEEP)
    return Row(location, value, _weight(line))


def _weight(line: bytes) -> int:
    """About how many bytes the values of a long line take: each may be an object of Python."""
    if len(line) < LONG_LINE:
        return len(line)
    return len(line) + OBJECT_BYTES * sum(map(line.count, (b"[", b"{", b",")))


def _csv_lines(text: io.TextIOWrapper) -> Iterator[str]:
    """The lines. Raises csv.Error for one that is too long, before it is in memory."""
    while line := text.readline(MAXIMUM_RECORD + 1):
        if len(line) > MAXIMUM_RECORD:
            raise csv.Error
        yield line


def _without_repeats(header: list[str], key: str) -> list[str]:
    # By number: where the file has no header, the names are data.
    first: dict[str, int] = {}
    for number, name in enumerate(header, start=1):
        if first.setdefault(name, number) != number:
            raise SourceError(
                f"{key}: columns {first[name]} and {number} of the header have one name; rename one of them."
            )
    return header


def _csv_row(location: str, header: list[str], fields: list[str]) -> Row | RawRow:
    raw = ",".join(fields).encode("utf-8", errors="surrogateescape")
    if len(fields) > len(header):
        return RawRow(location, raw, f"has {len(fields)} fields, the header {len(header)}")
    if any(not field.isascii() and SURROGATE.search(field) for field in fields):
        return RawRow(location, raw, "holds bytes that are not UTF-8")
    values = {name: field or None for name, field in itertools.zip_longest(header, fields)}
    return Row(location, values, len(raw))
