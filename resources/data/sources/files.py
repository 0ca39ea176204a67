"""Files as a source: a file, or a folder (without its sub-folders) in which each file is one batch."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from fineline.resources.core.recipe.base import Location
from fineline.resources.core.recipe.sources import Columns, Files
from fineline.resources.data.formats.compression import UNPACKERS, open_text
from fineline.resources.data.formats.tables import TABLE_READERS
from fineline.resources.data.formats.text import PLAIN_TEXT, READERS, file_name
from fineline.resources.data.shapes.fitting import fit_rows
from fineline.resources.data.shapes.tool_calls import Services, read_services
from fineline.resources.data.sources.batch import Batch, BatchRows, FilePlace, RawRow, Row, SourceError
from fineline.resources.data.sources.joining import Joined
from fineline.resources.data.sources.locations import File, as_source_error, file_at, files_at

TEMPORARY = {".part", ".partial", ".filepart", ".crdownload", ".download", ".opdownload", ".tmp", ".temp", ".swp"}
KEY_CHARACTERS = 120
# A key is the name of a folder too, in which letters that are not ASCII take 6 to 12 bytes; file systems allow 255.
FOLDER_BYTES = 200
NOT_IN_KEYS = re.compile(r"[^\w .()+@=-]|\.\.+")
KNOWN = f"{', '.join(READERS)} (each also as {' and '.join(UNPACKERS)}), {', '.join(TABLE_READERS)}"


def batches(source: Files) -> list[Batch]:
    """The files of the source, by name, each with the SHA-256 of its bytes (at a URL, of what the store tells).

    Hidden files, sub-folders and files of other formats are left out. A file that every batch is read with counts
    for each.

    Raises:
        SourceError: there is nothing at the path, it holds no file of a known format, or it cannot be read.
    """
    others = [single(source, place).fingerprint() for place in companions(source)]
    return [Batch(key, "-".join([file.fingerprint(), *others])) for key, file in _files(source).items()]


def read(source: Files, key: str, place: FilePlace | None = None) -> Iterator[BatchRows]:
    """The rows of one file, in parts: of the file of that key, or of the one at ``place``, if it is still the same.

    Raises:
        SourceError: the file as a whole cannot be read, or has changed or vanished before all of it was read.
    """
    if place is None:
        yield from _read(source, key, _of_key(source, key))
        return
    file = _unchanged(source, key, place)
    try:
        yield from _read(source, key, file)
    except SourceError:
        # Of a file that was taken away or is being written, this is the reason, not what was found in it.
        _unchanged(source, key, place)
        raise
    _unchanged(source, key, place)


def batch_key(source: str, name: str) -> str:
    """``<source>/<name>``; a name that is too long or unfit for a key is changed and ends in a hash."""
    safe = NOT_IN_KEYS.sub("_", name)
    room = KEY_CHARACTERS - len(source) - 1
    if safe == name and len(name) <= room and _fits(f"{source}/{name}"):
        return f"{source}/{name}"
    digest = hashlib.blake2b(name.encode("utf-8", errors="surrogatepass"), digest_size=6).hexdigest()
    start = safe[: max(room - 13, 8)]
    while start and not _fits(f"{source}/{start}-{digest}"):
        start = start[:-1]
    return f"{source}/{start}-{digest}"


def _fits(key: str) -> bool:
    return len(quote(key, safe="")) <= FOLDER_BYTES


def is_known(name: str) -> bool:
    """Whether a file of that name has a format that can be read."""
    ending, packed = format_of(name)
    return ending in READERS or (ending in TABLE_READERS and not packed)


def is_temporary(name: str) -> bool:
    """Whether a file of that name is still being written, by the custom of programs that rename when they are done."""
    return name.startswith("~") or any(suffix in TEMPORARY for suffix in _suffixes(name)[-1:])


def format_of(name: str) -> tuple[str, str]:
    """The ends of the name that tell the format and the packing, such as ``.jsonl`` and ``.gz``; in lower case."""
    suffixes = _suffixes(name)
    packed = suffixes.pop() if suffixes[-1:] and suffixes[-1] in UNPACKERS else ""
    return (suffixes[-1] if suffixes else "", packed)


def _suffixes(name: str) -> list[str]:
    """What follows each dot of a name, with the dot; in lower case. Quicker than pathlib's, for thousands of files."""
    return [f".{suffix}" for suffix in name.lower().split(".")[1:]]


def companions(source: Files) -> Sequence[Location]:
    """Where the files lie that every batch of the source is read with."""
    joined = [source.join.path] if source.join else []
    return [*joined, *([source.services] if source.services else [])]


def single(source: Files, place: Location) -> File:
    """The one file at a place. Raises SourceError where there is another number, or none of a known format."""
    found = files_at(place)
    if len(found) != 1 or not is_known(found[0].name):
        raise SourceError(f"{source.name}: {place} must be one file. Known formats: {KNOWN}.")
    return found[0]


def _read(source: Files, key: str, file: File) -> Iterator[BatchRows]:
    rows = _rows(file, key)
    if format_of(file.name)[0] in PLAIN_TEXT:
        plain = source.model_copy(update={"columns": Columns()})
        # The key's name: the file's own may change, and its texts stay one group.
        yield from fit_rows(key, rows, plain, group=file_name(key))
        return
    services: Services | None = None
    if source.services is not None:
        schema = single(source, source.services)
        with schema.open() as content, open_text(content, format_of(schema.name)[1], schema.size, schema.name) as text:
            services = read_services(text.read(), source.name)
    if source.join is not None:
        other = single(source, source.join.path)
        rows = Joined(source.join.key, _rows(other, f"{source.name}/{other.name}")).added_to(rows)
    yield from fit_rows(key, rows, source, services=services)


def _of_key(source: Files, key: str) -> File:
    found = _files(source)
    if key not in found:
        raise SourceError(f"{key} is no longer in {source.path}: put the file back, or take the batch out.")
    return found[key]


def _unchanged(source: Files, key: str, place: FilePlace) -> File:
    try:
        file = file_at(source.path, place.name)
    except SourceError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise SourceError(vanished(key, f"the file {place.name} is no longer at {source.path}")) from error
        raise
    if (file.size, file.mark) != (place.size, place.mark):
        raise SourceError(
            f"{key}: the file {place.name} has changed since it arrived. Nothing of it was taken; run again when it is "
            "complete."
        )
    return file


def vanished(key: str, what: str) -> str:
    """What to do about a batch that cannot be read because of ``what``."""
    return (
        f"{key}: {what}. What was stored of it stays as it is. Put it back, or withdraw the batch: "
        f"fineline forget --batch {key}"
    )


def _files(source: Files) -> dict[str, File]:
    found = files_at(source.path)
    known = [file for file in found if is_known(file.name) and not is_temporary(file.name)]
    if not known:
        what = "no file of a known format" if found else "no files (sub-folders are not read)"
        raise SourceError(f"{source.name}: {source.path} holds {what}. Known formats: {KNOWN}.")
    return {batch_key(source.name, file.name): file for file in known}


def _rows(file: File, key: str) -> Iterator[Row | RawRow]:
    ending, packed = format_of(file.name)
    # A disk or a connection may fail at any byte.
    with as_source_error(file.name), file.open() as content:
        if not file.size:
            return
        if ending in TABLE_READERS:
            yield from TABLE_READERS[ending](content, key)
        else:
            with open_text(content, packed, file.size, key) as stream:
                yield from READERS[ending](stream, key)
