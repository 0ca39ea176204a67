"""Reading corpora: the batches of a source, and the rows of each batch as canonical records."""

from collections import Counter
from collections.abc import Iterator

import polars as pl

from fineline.resources.core.recipe.sources import Files, HuggingFace, PackageReadmes, PythonDocs, Source, Sql
from fineline.resources.data.sources import files, huggingface, package_readmes, python_docs, sql
from fineline.resources.data.sources.batch import (
    Batch,
    BatchRows,
    CommitPlace,
    FilePlace,
    IncrementPlace,
    Place,
    SourceError,
)

__all__ = ["Batch", "BatchRows", "Place", "SourceError", "list_batches", "read_batch", "read_parts"]


def list_batches(source: Source) -> list[Batch]:
    """The batches of a source, in a stable order. Cheap enough for a sensor: nothing is read into memory.

    Raises:
        SourceError: the source is not there, is empty, or may not be read; the message says what to do.
    """
    match source:
        case PythonDocs():
            return python_docs.batches(source)
        case PackageReadmes():
            return package_readmes.batches(source)
        case Files():
            return files.batches(source)
        case HuggingFace():
            return huggingface.batches(source)
        case Sql():
            return sql.batches(source)


def read_batch(source: Source, key: str) -> BatchRows:
    """The rows of a batch as a whole, for those that fit into memory. Raises as ``read_parts`` does."""
    parts = list(read_parts(source, key))
    normalised: Counter[str] = Counter()
    for part in parts:
        normalised.update(part.normalised)
    return BatchRows(
        pl.concat([part.records for part in parts]), pl.concat([part.unreadable for part in parts]), normalised
    )


def read_parts(source: Source, key: str, place: Place | None = None) -> Iterator[BatchRows]:
    """The rows of a batch of ``list_batches``, or of one that arrived at ``place``; no records with the reason.

    They come in parts, of which each is bounded, so that a corpus may be larger than memory; there is at least
    one.

    Raises:
        SourceError: the batch holds no rows, cannot be read, or its columns fit no known shape; or what is at the
            place is not, or does not stay, what arrived.
    """
    match source:
        case PythonDocs():
            yield python_docs.read(source, key)
        case PackageReadmes():
            yield package_readmes.read(source, key)
        case Files():
            yield from files.read(source, key, place if isinstance(place, FilePlace) else None)
        case HuggingFace():
            commit = {"revision": place.revision} if isinstance(place, CommitPlace) else {}
            yield from huggingface.read(source.model_copy(update=commit), key)
        case Sql():
            yield from sql.read(source, key, place if isinstance(place, IncrementPlace) else None)
