"""Files as a source: those that are batches, and the rows of each with the files that are joined to it."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from fineline.resources.core.recipe.base import Location
from fineline.resources.core.recipe.sources import Columns, Files, Join
from fineline.resources.core.redaction import address
from fineline.resources.data.formats.compression import UNPACKERS, open_text
from fineline.resources.data.formats.rows import PassingError, RawRow, Row, SourceError
from fineline.resources.data.formats.tables import TABLE_READERS
from fineline.resources.data.formats.text import PLAIN_TEXT, READERS
from fineline.resources.data.shapes.content import BatchRows
from fineline.resources.data.shapes.fitting import fit_rows
from fineline.resources.data.shapes.tool_calls import Services, read_services
from fineline.resources.data.sources.batch import Batch, FilePlace
from fineline.resources.data.sources.connector import Connector, Folder
from fineline.resources.data.sources.locations import FOLDER, File, as_source_error, file_at, files_at

TEMPORARY = {".part", ".partial", ".filepart", ".crdownload", ".download", ".opdownload", ".tmp", ".temp", ".swp"}
KNOWN = f"{', '.join(READERS)} (each also as {' and '.join(UNPACKERS)}), {', '.join(TABLE_READERS)}"


class FilesConnector(Connector[Files]):
    """A file, or a folder (without its sub-folders) in which each file is one batch."""

    reads_files = True

    def batches(self, source: Files) -> list[Batch]:
        """The files of the source, by name, each with the SHA-256 of its bytes (at a URL, of the store's version).

        Hidden files, sub-folders and files of other formats are left out. The content of each batch includes that of
        the files that every batch is read with.
        """
        found = [file for file in files_at(source.path) if file.refused != FOLDER]
        known = [file for file in found if is_known(file.name) and not is_temporary(file.name)]
        if not known:
            what = "no file of a known format" if found else "no files (sub-folders are not read)"
            raise SourceError(f"{source.name}: {source.path} holds {what}. Known formats: {KNOWN}.")
        # By number: their names may be personal data.
        called = {f"{source.name}, file {number} of {len(known)} by name": file for number, file in enumerate(known, 1)}
        for name, file in called.items():
            _require_plain(file, name)
        others = [single(source.name, place).fingerprint(str(place)) for place in _companions(source)]
        return [
            Batch(file.name, "-".join([file.fingerprint(name), *others]), place_of(file))
            for name, file in called.items()
        ]

    def folder(self, source: Files) -> Folder:
        """The path, and the files that are joined to each of its files."""
        return Folder(source.path, _companions(source))

    def origin(self, source: Files) -> list[str | None]:
        """The files of another folder are other batches."""
        return [address(source.path)]

    def settings(self, source: Files) -> dict[str, Any]:
        """All options but the path: a file that is moved is read as before."""
        return source.model_dump(mode="json", exclude={"path"})

    def read(self, source: Files, key: str, batch: Batch) -> Iterator[BatchRows]:
        """The rows of a file. Raises SourceError also where it changes or vanishes before all of it is read."""
        file = _unchanged(source, key, batch)
        try:
            yield from _read(source, key, file)
        except SourceError:
            _unchanged(source, key, batch)  # Where the file was taken away or is being written, this is the reason.
            raise
        _unchanged(source, key, batch)


def printable(name: str) -> str:
    r"""A file's name as text that can be stored: bytes that are not UTF-8 are written as ``\xe9``."""
    return name.encode(errors="backslashreplace").decode()


def is_known(name: str) -> bool:
    """Whether a file of that name has a format that can be read."""
    ending, packed = format_of(name)
    return ending in READERS or (ending in TABLE_READERS and not packed)


def is_temporary(name: str) -> bool:
    """Whether a file of that name is still being written, by the custom of programs that rename when they are done."""
    return name.startswith("~") or any(suffix in TEMPORARY for suffix in _suffixes(name)[-1:])


def format_of(name: str) -> tuple[str, str]:
    """The endings of a name that stand for format and packing, such as ``.jsonl`` and ``.gz``; in lower case."""
    suffixes = _suffixes(name)
    packed = suffixes.pop() if suffixes[-1:] and suffixes[-1] in UNPACKERS else ""
    return (suffixes[-1] if suffixes else "", packed)


def place_of(file: File) -> FilePlace:
    """The file as the place of a batch."""
    return FilePlace("".join(format_of(file.name)), file.size, file.mark)


def _suffixes(name: str) -> list[str]:
    """What follows each dot of a name, with the dot; in lower case. Quicker than pathlib's, for thousands of files."""
    return [f".{suffix}" for suffix in name.lower().split(".")[1:]]


def single(source: str, place: Location) -> File:
    """The one file at a place. Raises SourceError where there is another number, or none of a known format."""
    found = files_at(place)
    if len(found) != 1 or not is_known(found[0].name):
        raise SourceError(f"{source}: {place} must be one file. Known formats: {KNOWN}.")
    _require_plain(found[0], f"{source}: {place}")
    return found[0]


def _require_plain(file: File, called: str) -> None:
    if file.refused:
        raise SourceError(f"cannot read {called}: {file.refused}.")


def _companions(source: Files) -> list[Location]:
    joined = [source.join.path] if source.join else []
    return [*joined, *([source.services] if source.services else [])]


def _read(source: Files, key: str, file: File) -> Iterator[BatchRows]:
    rows = _rows(file, key)
    if format_of(file.name)[0] in PLAIN_TEXT:
        plain = source.model_copy(update={"columns": Columns()})
        # By its key, which stays when the file is renamed.
        yield from fit_rows(key, rows, plain, group=key.partition("/")[2])
        return
    services: Services | None = None
    if source.services is not None:
        called = str(source.services)
        with _of_a_companion(called):
            schema = single(source.name, source.services)
        with (
            _of_a_companion(called),
            as_source_error(called),
            schema.open() as content,
            open_text(content, format_of(schema.name)[1], schema.size, called) as text,
        ):
            services = read_services(text.read(), source.name)
    if source.join is not None:
        with _of_a_companion(str(source.join.path)):
            others = _joined_rows(source.join, single(source.name, source.join.path))
        rows = _joined(rows, source.join.key, others)
    yield from fit_rows(key, rows, source, services=services)


@contextmanager
def _of_a_companion(called: str) -> Iterator[None]:
    """Faults of a file that all batches are read with; no batch is to be refused for it."""
    try:
        yield
    except SourceError as error:
        raise PassingError(str(error)) from error
    except MemoryError:
        raise PassingError(
            f"{called}, which all batches are read with, takes too much memory; make it smaller."
        ) from None


def _joined_rows(join: Join, file: File) -> dict[Any, Mapping[str, Any]]:
    """The rows of the joined file by their key, all in memory."""
    others: dict[Any, Mapping[str, Any]] = {}
    for other in _rows(file, str(join.path)):
        place = f"{join.path} {other.location} of the joined file"
        if isinstance(other, RawRow):
            raise SourceError(f"{place} {other.reason}; mend the file.")
        value = other.values.get(join.key)
        if not isinstance(value, (str, int)) or value in others:
            raise SourceError(f"{place} has no '{join.key}' that is its own; mend the file.")
        others[value] = other.values
    return others


def _joined(rows: Iterable[Row | RawRow], key: str, others: Mapping[Any, Mapping[str, Any]]) -> Iterator[Row | RawRow]:
    """The rows with the columns of the joined file; a row without a match stays."""
    for row in rows:
        value = row.values.get(key) if isinstance(row, Row) else None
        if isinstance(row, Row) and isinstance(value, (str, int)) and value in others:
            row = replace(row, values={**others[value], **row.values})
        yield row


def _unchanged(source: Files, key: str, batch: Batch) -> File:
    try:
        file = file_at(source.path, batch.name, key)
    except SourceError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise PassingError(vanished(key, f"its file is no longer at {source.path}")) from error
        raise
    _require_plain(file, key)
    if place_of(file) != batch.place:
        raise PassingError(
            f"{key}: its file has changed since it arrived. Nothing of it was taken; run again when it is complete."
        )
    return file


def vanished(key: str, what: str) -> str:
    """What to do about a batch that cannot be read because of ``what``."""
    return (
        f"{key}: {what}. What was stored of it stays as it is. Put it back, or withdraw the batch: "
        f"fineline forget --batch {key}"
    )


def _rows(file: File, called: str) -> Iterator[Row | RawRow]:
    ending, packed = format_of(file.name)
    # A disk or a connection may fail at any byte.
    with as_source_error(called), file.open() as content:
        if not file.size:
            return
        if ending in TABLE_READERS:
            yield from TABLE_READERS[ending](content, called)
        else:
            with open_text(content, packed, file.size, called) as stream:
                yield from READERS[ending](stream, called)
