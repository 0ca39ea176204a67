"""Files as a source: a file, or a folder (without its sub-folders) in which each file is one batch."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from fineline.resources.recipe_data import Columns, Files, Location
from fineline.resources.sources.batches import Batch, BatchRows, RawRow, Row, SourceError
from fineline.resources.sources.fitting import fit_rows
from fineline.resources.sources.formats import PLAIN_TEXT, READERS
from fineline.resources.sources.joining import Joined
from fineline.resources.sources.opening import UNPACKERS, open_text
from fineline.resources.sources.places import File, files_at, told
from fineline.resources.sources.tables import TABLE_READERS
from fineline.resources.sources.tool_calls import Services, read_services

KEY_CHARACTERS = 120
NOT_IN_KEYS = re.compile(r"[^\w .()+@=-]|\.\.+")
KNOWN = f"{', '.join(READERS)} (each also as {' and '.join(UNPACKERS)}), {', '.join(TABLE_READERS)}"


def batches(source: Files) -> list[Batch]:
    """The files of the source, by name, each with the SHA-256 of its bytes (at a URL, of what the store tells).

    Hidden files, sub-folders and files of other formats are left out. A file that every batch is read with counts
    for each.

    Raises:
        SourceError: there is nothing at the path, it holds no file of a known format, or it cannot be read.
    """
    beside = [_single(source, place).fingerprint() for place in _beside(source)]
    return [Batch(key, "-".join([file.fingerprint(), *beside])) for key, file in _files(source).items()]


def read(source: Files, key: str) -> Iterator[BatchRows]:
    """The rows of one file, in parts. Raises SourceError where the file as a whole cannot be read."""
    files = _files(source)
    if key not in files:
        raise SourceError(f"{key} is no longer in {source.path}: put the file back, or take the batch out.")
    file = files[key]
    rows = _rows(file, key)
    if _format(file.name)[0] in PLAIN_TEXT:
        plain = source.model_copy(update={"columns": Columns()})
        yield from fit_rows(key, rows, plain, group=file.name)
        return
    services: Services | None = None
    if source.services is not None:
        schema = _single(source, source.services)
        with schema.open() as content, open_text(content, _format(schema.name)[1], schema.size, schema.name) as text:
            services = read_services(text.read(), source.name)
    if source.join is not None:
        other = _single(source, source.join.path)
        rows = Joined(source.join.key, _rows(other, f"{source.name}/{other.name}")).added_to(rows)
    yield from fit_rows(key, rows, source, services=services)


def batch_key(source: str, name: str) -> str:
    """``<source>/<name>``; a name that is too long or unfit for a key is changed and ends in a hash."""
    safe = NOT_IN_KEYS.sub("_", name)
    room = KEY_CHARACTERS - len(source) - 1
    if safe == name and len(name) <= room:
        return f"{source}/{name}"
    digest = hashlib.blake2b(name.encode("utf-8", errors="surrogatepass"), digest_size=6).hexdigest()
    return f"{source}/{safe[: max(room - 13, 8)]}-{digest}"


def _beside(source: Files) -> Sequence[Location]:
    joined = [source.join.path] if source.join else []
    return [*joined, *([source.services] if source.services else [])]


def _files(source: Files) -> dict[str, File]:
    found = files_at(source.path)
    known = [file for file in found if _is_known(file.name)]
    if not known:
        what = "no file of a known format" if found else "no files (sub-folders are not read)"
        raise SourceError(f"{source.name}: {source.path} holds {what}. Known formats: {KNOWN}.")
    return {batch_key(source.name, file.name): file for file in known}


def _single(source: Files, place: Location) -> File:
    found = files_at(place)
    if len(found) != 1 or not _is_known(found[0].name):
        raise SourceError(f"{source.name}: {place} must be one file. Known formats: {KNOWN}.")
    return found[0]


def _rows(file: File, key: str) -> Iterator[Row | RawRow]:
    ending, packed = _format(file.name)
    # A disk or a connection may fail at any byte.
    with told(file.name), file.open() as content:
        if not file.size:
            return
        if ending in TABLE_READERS:
            yield from TABLE_READERS[ending](content, key)
        else:
            with open_text(content, packed, file.size, key) as stream:
                yield from READERS[ending](stream, key)


def _format(name: str) -> tuple[str, str]:
    """The ends of the name that tell the format and the packing, such as ``.jsonl`` and ``.gz``; in lower case."""
    suffixes = [suffix.lower() for suffix in PurePath(name).suffixes]
    packed = suffixes.pop() if suffixes[-1:] and suffixes[-1] in UNPACKERS else ""
    return (suffixes[-1] if suffixes else "", packed)


def _is_known(name: str) -> bool:
    ending, packed = _format(name)
    return ending in READERS or (ending in TABLE_READERS and not packed)
