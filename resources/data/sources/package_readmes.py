"""The long descriptions of installed distributions, cut into sections."""

import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageMetadata, distributions

from fineline.resources.core.recipe.sources import PackageReadmes
from fineline.resources.data.formats.rows import Row
from fineline.resources.data.formats.sections import MINIMUM_CHARACTERS, sections
from fineline.resources.data.shapes.content import BatchBuilder, BatchRows, Content
from fineline.resources.data.shapes.conversations import assistant
from fineline.resources.data.sources.batch import Batch
from fineline.resources.data.sources.connector import Connector

OWN_NAME = "fineline"
LICENCE_CHARACTERS = 60


class PackageReadmesConnector(Connector[PackageReadmes]):
    """The distributions that are installed in this environment."""

    def batches(self, source: PackageReadmes) -> list[Batch]:
        """One batch; its content is a hash of the names and versions of the installed distributions."""
        installed = [(name, distribution.version) for name, distribution in _installed().items()]
        return [Batch("installed", hashlib.sha256(json.dumps(installed).encode()).hexdigest())]

    def read(self, source: PackageReadmes, key: str, batch: Batch) -> Iterator[BatchRows]:
        """A text record for each section of a description: group is the distribution's normalised name.

        Descriptions under 100 characters are left out.
        """
        builder = BatchBuilder(source.name, key)
        for name, metadata, number, part in itertools.islice(_sections(), source.limit):
            row = Row(f"{name} section {number}", {"distribution": name, "text": part})
            content = Content("text", [], [assistant(part)], group=name)
            where = {"distribution": name, "version": metadata["Version"], "section": number}
            builder.add(row, content, licence(metadata) or source.licence, where)
        yield builder.build()


def licence(metadata: PackageMetadata) -> str | None:
    """The licence that the metadata name: expression, else a short licence field, else a classifier."""
    expression, field = metadata["License-Expression"], metadata["License"]
    if expression:
        return str(expression)
    if field and field != "UNKNOWN" and "\n" not in field and len(field) <= LICENCE_CHARACTERS:
        return str(field)
    classifiers: list[str] = metadata.get_all("Classifier") or []
    named = [each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License :: ")]
    specific = [name for name in named if name != "OSI Approved"]
    return specific[0] if specific else None


def _sections() -> Iterator[tuple[str, PackageMetadata, int, str]]:
    for name, distribution in _installed().items():
        metadata = distribution.metadata
        text = metadata["Description"] or ""
        parts = sections(text) if len(text.strip()) >= MINIMUM_CHARACTERS else []
        for number, part in enumerate(parts, start=1):
            yield name, metadata, number, part


def _installed() -> dict[str, Distribution]:
    """The installed distributions except this project's own, by normalised name (PEP 503), in order."""
    found: dict[str, Distribution] = {}
    for distribution in distributions():
        name = distribution.metadata["Name"]
        # A folder left over from a broken installation has no name; on a path twice, the first one counts.
        if name and (normalised := re.sub(r"[-_.]+", "-", name).lower()) != OWN_NAME:
            found.setdefault(normalised, distribution)
    return dict(sorted(found.items()))
