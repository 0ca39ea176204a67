"""The table of connectors, one a kind of source, and reading through it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from fineline.resources.core.recipe.sources import Source
from fineline.resources.data.shapes.content import BatchRows
from fineline.resources.data.sources.batch import Batch, Place
from fineline.resources.data.sources.connector import Connector
from fineline.resources.data.sources.files import FilesConnector
from fineline.resources.data.sources.huggingface import HuggingFaceConnector
from fineline.resources.data.sources.package_readmes import PackageReadmesConnector
from fineline.resources.data.sources.python_docs import PythonDocsConnector
from fineline.resources.data.sources.sql import SqlConnector

CONNECTORS: Mapping[str, Connector[Any, Any]] = {
    "files": FilesConnector(),
    "huggingface": HuggingFaceConnector(),
    "package_readmes": PackageReadmesConnector(),
    "python_docs": PythonDocsConnector(),
    "sql": SqlConnector(),
}


def connector(source: Source) -> Connector[Any, Any]:
    """The connector of a source."""
    return CONNECTORS[source.kind]


def list_batches(source: Source) -> list[Batch]:
    """The batches of a source, see ``Connector.batches``. Raises SourceError."""
    return connector(source).batches(source)


def read_parts(source: Source, key: str, place: Place | None) -> Iterator[BatchRows]:
    """The rows of the batch at a place in bounded parts, at least one; records with no reason, others with theirs.

    Raises:
        SourceError: the batch holds no rows, cannot be read, or its columns fit no known shape; or what is at the
            place is not, or does not stay, what arrived.
    """
    return connector(source).read(source, key, place)


def read_batch(source: Source, batch: Batch) -> BatchRows:
    """All rows of a batch, for those that fit into memory. Raises as ``read_parts`` does."""
    parts = list(read_parts(source, f"{source.name}/{batch.name}", batch.place))
    normalised: Counter[str] = Counter()
    for part in parts:
        normalised.update(part.normalised)
    return BatchRows(
        pl.concat([part.records for part in parts]), pl.concat([part.unreadable for part in parts]), normalised
    )
