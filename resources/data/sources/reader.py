"""The table of connectors, one a kind of source, and reading through it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from fineline.resources.core.recipe.sources import Source
from fineline.resources.data.shapes.content import BatchRows
from fineline.resources.data.sources.batch import Batch
from fineline.resources.data.sources.connector import Connector
from fineline.resources.data.sources.files import FilesConnector, printable
from fineline.resources.data.sources.huggingface import HuggingFaceConnector
from fineline.resources.data.sources.package_readmes import PackageReadmesConnector
from fineline.resources.data.sources.python_docs import PythonDocsConnector
from fineline.resources.data.sources.sql import SqlConnector

CONNECTORS: Mapping[str, Connector[Any]] = {
    "files": FilesConnector(),
    "huggingface": HuggingFaceConnector(),
    "package_readmes": PackageReadmesConnector(),
    "python_docs": PythonDocsConnector(),
    "sql": SqlConnector(),
}


def connector(source: Source) -> Connector[Any]:
    """The connector of a source."""
    return CONNECTORS[source.kind]


def list_batches(source: Source) -> list[Batch]:
    """The batches of a source, see ``Connector.batches``. Raises SourceError."""
    return connector(source).batches(source)


def read_parts(source: Source, key: str, batch: Batch) -> Iterator[BatchRows]:
    """The rows of a batch in bounded parts, at least one; rows that are no records come with the reason.

    Raises:
        SourceError: the batch holds no rows, cannot be read, or its columns fit no known shape; or what is at its
            place is not, or does not stay, what arrived. The message names the batch by its ``key``.
    """
    return connector(source).read(source, key, batch)


def read_batch(source: Source, batch: Batch) -> BatchRows:
    """All rows of a batch that is not stored, such as an evaluation set; it has its name for a key.

    For batches that fit into memory. Raises as ``read_parts`` does.
    """
    parts = list(read_parts(source, f"{source.name}/{printable(batch.name)}", batch))
    normalised: Counter[str] = Counter()
    for part in parts:
        normalised.update(part.normalised)
    return BatchRows(
        pl.concat([part.records for part in parts]), pl.concat([part.unreadable for part in parts]), normalised
    )
