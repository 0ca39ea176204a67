"""What reading a source gives: batches, and the rows of each as records or as unreadable rows."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fineline.data_contracts.messages import MESSAGE_COLUMNS
from fineline.data_contracts.records import Record
from fineline.resources.data.shapes.content import raw_id, row_id
from fineline.resources.data.shapes.normalisation import normalise

RECORD_SCHEMA = Record.create_empty().schema
UNREADABLE_SCHEMA = pl.Schema(dict.fromkeys(["record_id", "location", "reason", "raw"], pl.String()))
RAW_CHARACTERS = 10_000
# A longer one is no row that a model can learn from (some 4 million tokens), but a file that is broken.
MAXIMUM_RECORD = 16 * 2**20
SURROGATE = re.compile("[\ud800-\udfff]")

Message = dict[str, str]


class SourceError(Exception):
    """A source that cannot be read; the message says what is wrong and what to do, without any content."""


class UnfitRowError(Exception):
    """A row that is no record; the message names the column and what is wrong, without any content."""


@dataclass(frozen=True)
class Batch:
    """One arrival of a source.

    ``key`` is ``<source>/<batch name>``: stable, and fit for a partition key. ``fingerprint`` changes when
    the data behind it change.
    """

    key: str
    fingerprint: str


class Bound(BaseModel):
    """A value of a column, with its type, so that it is stored and asked for again as it was."""

    model_config = ConfigDict(frozen=True)

    type: Literal["int", "float", "Decimal", "datetime", "date", "str"]
    text: str

    @classmethod
    def of(cls, value: Any) -> "Bound":
        """A bound of that value. Raises ValueError for one that is no number, text, date or time."""
        kind = type(value).__name__
        if kind not in _PLAIN:
            raise ValueError(f"is of type {kind}, and no number, text, date or time")
        return cls(type=kind, text=value.isoformat() if isinstance(value, date) else str(value))

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


class FilePlace(BaseModel):
    """The file that a batch is now: its name, and its size and mark when its content was last known."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["file"] = "file"
    name: str
    size: int
    mark: str

    @property
    def shown(self) -> str:
        """The place in words."""
        return self.name


class CommitPlace(BaseModel):
    """The commit of a data set of the hub that a batch is."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["commit"] = "commit"
    revision: str

    @property
    def shown(self) -> str:
        """The place in words."""
        return f"commit {self.revision}"


class IncrementPlace(BaseModel):
    """The rows of a query that a batch is: those whose column is above ``after`` and at most ``upto``."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["increment"] = "increment"
    after: Bound | None = None
    upto: Bound

    @property
    def shown(self) -> str:
        """The place in words."""
        return f"up to {self.upto.text}" + (f", from after {self.after.text}" if self.after else "")


Place = Annotated[FilePlace | CommitPlace | IncrementPlace, Field(discriminator="kind")]


@dataclass(frozen=True)
class BatchRows:
    """The rows of a batch, or a part of them; each row that came in is in exactly one of the two frames.

    ``records`` has the columns of Record. It is not yet validated and may hold repeated rows.
    ``unreadable`` has record_id, location (such as ``part.jsonl line 17``), reason (free of content) and raw
    (the text as it came in, at most 10,000 characters). ``normalised`` counts the records that normalisation
    changed, by kind of change.
    """

    records: pl.DataFrame
    unreadable: pl.DataFrame
    normalised: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A row as it came in, by column, where it stood, and about how many bytes it has."""

    location: str
    values: Mapping[str, Any]
    size: int = 0


@dataclass(frozen=True)
class RawRow:
    """A row that could not even be taken apart into columns: its bytes, and why."""

    location: str
    raw: bytes
    reason: str


@dataclass(frozen=True)
class Content:
    """What a row says, in the words of the record."""

    kind: str
    prompt: list[Message]
    completion: list[Message]
    rejected: list[Message] | None = None
    tools: str | None = None
    label: str | None = None
    group: str | None = None


class BatchBuilder:
    """Gathers rows of one batch into the two frames of ``BatchRows``."""

    def __init__(self, source: str, key: str, *, strip_html: bool = False) -> None:
        self.source = source
        self.key = key
        self.strip_html = strip_html
        self._normalised: Counter[str] = Counter()
        self._records: list[dict[str, Any]] = []
        self._unreadable: list[tuple[str, str, str, str]] = []

    def add(self, row: Row, content: Content, licence: str, metadata: Mapping[str, Any]) -> None:
        """Take in a row that is a record. Raises UnfitRowError where its text cannot be stored."""
        described = json.dumps(metadata, ensure_ascii=False)
        for text in (*_texts(content), content.tools, content.label, content.group, described):
            if text is not None and not text.isascii() and SURROGATE.search(text):
                raise UnfitRowError(r"holds half a surrogate pair (such as \ud83d alone), which is no text")
        kinds: set[str] = set()
        record = {
            "record_id": row_id(self.source, row.values),
            "source": self.source,
            "batch": self.key,
            **vars(content),
            "licence": licence,
            "metadata": described,
        }
        for column in MESSAGE_COLUMNS:
            record[column] = self._normal(record[column], kinds)
        self._records.append(record)
        self._normalised.update(kinds)

    def add_unfit(self, row: Row, reason: str) -> None:
        """Take in a row that has columns but is no record."""
        raw = json.dumps(row.values, ensure_ascii=False, default=str)
        identity = row_id(self.source, row.values)
        self._unreadable.append((identity, row.location, reason, _storable(raw)))

    def add_raw(self, row: RawRow) -> None:
        """Take in a row that has no columns."""
        raw = row.raw.decode("utf-8", errors="replace")
        self._unreadable.append((raw_id(self.source, row.raw), row.location, row.reason, _storable(raw)))

    def _normal(self, messages: list[Message] | None, kinds: set[str]) -> list[Message] | None:
        """The messages in normal form; all kinds of change that this took are added to ``kinds``."""
        if messages is None:
            return None
        made = []
        for message in messages:
            text, changes = normalise(message["content"], strip_html=self.strip_html)
            kinds |= changes
            made.append({"role": message["role"], "content": text})
        return made

    def build(self) -> BatchRows:
        """The batch. Raises SourceError for a batch without any row."""
        if not self._records and not self._unreadable:
            raise SourceError(f"{self.key} holds no rows; fill it, or take it out of the source.")
        return BatchRows(
            records=pl.DataFrame(self._records, schema=RECORD_SCHEMA),
            unreadable=pl.DataFrame(self._unreadable, schema=UNREADABLE_SCHEMA, orient="row"),
            normalised=dict(self._normalised),
        )


def _texts(content: Content) -> Iterator[str]:
    for messages in (content.prompt, content.completion, content.rejected or ()):
        for message in messages:
            yield message["content"]


def _storable(raw: str) -> str:
    return raw[:RAW_CHARACTERS].encode("utf-8", errors="replace").decode("utf-8")
