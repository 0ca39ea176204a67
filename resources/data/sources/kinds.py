"""The table of connectors, one a kind of source."""

from collections.abc import Mapping
from typing import Any

from fineline.resources.core.recipe.sources import Source
from fineline.resources.data.sources.connector import Connector
from fineline.resources.data.sources.files import FilesConnector
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
