"""The protocol of a kind of source: its batches, their rows, and the options that change them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from fineline.resources.core.recipe.base import Location
from fineline.resources.core.recipe.sources import SourceBase
from fineline.resources.data.shapes.content import BatchRows
from fineline.resources.data.sources.batch import Batch, Bound

S = TypeVar("S", bound=SourceBase, contravariant=True)


@dataclass(frozen=True)
class Folder:
    """A watched location, in which each file is a batch, and the further files that every batch is read with."""

    location: Location
    companions: Sequence[Location] = ()


@dataclass(frozen=True)
class Offer:
    """The batches of a source that is asked for them.

    ``adds`` is True where they are new beside the known batches, False where they are all that there are. ``mark`` is
    the highest value of the source's increment so far.
    """

    batches: Sequence[Batch]
    adds: bool = False
    mark: Bound | None = None


class Connector(Protocol[S]):
    """One kind of source, ``S``.

    Every method raises SourceError where the source is missing, empty or cannot be read; its message names the remedy.
    ``reads_files`` is True where its rows stand in files that others write.
    """

    reads_files: bool = False

    def batches(self, source: S) -> list[Batch]:
        """All batches now, in a stable order. Cheap: nothing is read into memory."""
        ...

    def read(self, source: S, key: str, batch: Batch) -> Iterator[BatchRows]:
        """The rows of a batch, at least one part, each bounded in size; rows that are no records have the reason.

        Records and errors name the batch by its ``key`` alone. Raises SourceError also where the batch holds no rows,
        fits no known shape, or is not, or does not stay, what arrived.
        """
        ...

    def folder(self, source: S) -> Folder | None:
        """The location to watch, whose files are the batches; None for a source that is asked with ``offer``."""
        return None

    def offer(self, source: S, mark: Bound | None) -> Offer:
        """The batches of a source that is asked; ``mark`` is that of the last offer. May take seconds."""
        return Offer(self.batches(source))

    def origin(self, source: S) -> list[str | None]:
        """The options whose change gives other batches under the same names, such as the id of a dataset."""
        return []

    def settings(self, source: S) -> dict[str, Any]:
        """The options whose change gives other rows of the same batch."""
        return source.model_dump(mode="json")
