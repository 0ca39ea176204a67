"""The batches of a source, and the places that they are read from."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, cast

from pydantic import Field

BoundType = Literal["int", "float", "Decimal", "datetime", "date", "str"]


@dataclass(frozen=True)
class Bound:
    """A value of a column with its type, so that it is stored and asked for again unchanged."""

    type: BoundType
    text: str

    @classmethod
    def of(cls, value: Any) -> "Bound":
        """A bound of that value. Raises ValueError for one that is no number, text, date or time."""
        kind = type(value).__name__
        if kind not in _PLAIN:
            raise ValueError(f"is of type {kind}, and no number, text, date or time")
        return cls(cast(BoundType, kind), value.isoformat() if isinstance(value, date) else str(value))

    @property
    def value(self) -> Any:
        """The value, in its own type."""
        return _PLAIN[self.type](self.text)


_PLAIN: dict[str, Any] = {
    "int": int,
    "float": float,
    "Decimal": Decimal,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "str": str,
}


@dataclass(frozen=True)
class FilePlace:
    """The file that a batch is: its form, such as ``.jsonl.gz``, and its size and mark when its content was read.

    The file's name is that of the batch.
    """

    form: str
    size: int
    mark: str
    kind: Literal["file"] = "file"


@dataclass(frozen=True)
class CommitPlace:
    """The commit of a dataset of the hub that a batch is."""

    revision: str
    kind: Literal["commit"] = "commit"


@dataclass(frozen=True)
class IncrementPlace:
    """The rows of a query that a batch is: those whose column is above ``after`` and at most ``upto``."""

    upto: Bound
    after: Bound | None = None
    kind: Literal["increment"] = "increment"


Place = Annotated[FilePlace | CommitPlace | IncrementPlace, Field(discriminator="kind")]


@dataclass(frozen=True)
class Batch:
    """One arrival of a source: a file, a commit, an increment, or all of it.

    ``name``, its own within the source, is shown to people and never stored with the records. ``content`` changes when
    the data behind the batch change. ``place`` is where it is read from; None where that is the source as a whole.
    """

    name: str
    content: str
    place: Place | None = field(default=None, compare=False)
