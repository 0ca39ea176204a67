"""The content of a row in the columns of a record, its identity, and the frames that hold the rows of a batch."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import regex

from fineline.data_contracts.messages import MESSAGE_COLUMNS
from fineline.data_contracts.records import Record
from fineline.resources.core.redaction import FinelineError
from fineline.resources.data.formats.rows import RAW_CHARACTERS, SURROGATE, RawRow, Row, SourceError, without_nulls
from fineline.resources.data.shapes.normalisation import normalise

RECORD_SCHEMA = Record.create_empty().schema
# Unicode forms put the accents of a letter in order, which takes the square of their number.
MARKS = regex.compile(r"\p{M}{101}")
UNREADABLE_SCHEMA = pl.Schema(dict.fromkeys(["record_id", "location", "reason", "raw"], pl.String()))

Message = dict[str, str]


class UnfitRowError(FinelineError):
    """A row that is no record; the message names the column and what is wrong, without any content."""


@dataclass(frozen=True)
class Content:
    """The content of a row, by the columns of a record."""

    kind: str
    prompt: list[Message]
    completion: list[Message]
    rejected: list[Message] | None = None
    tools: str | None = None
    label: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class BatchRows:
    """The rows of a batch, or a part of them; each row that was read is in exactly one of the two frames.

    ``records`` has the columns of Record. It is not yet validated and may hold repeated rows.
    ``unreadable`` has record_id, location (such as ``part.jsonl line 17``), reason (free of content) and raw
    (the text as it was read, at most 10,000 characters). ``normalised`` counts the records that normalisation
    changed, by kind of change.
    """

    records: pl.DataFrame
    unreadable: pl.DataFrame
    normalised: Mapping[str, int] = field(default_factory=dict)


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
        """Add a row that is a record. Raises UnfitRowError where its text cannot be stored."""
        described = json.dumps(metadata, ensure_ascii=False)
        messages = [*content.prompt, *content.completion, *(content.rejected or [])]
        contents = [message["content"] for message in messages]
        for text in (*contents, content.tools, content.label, content.group, described):
            if text is None or text.isascii():
                continue
            if SURROGATE.search(text):
                raise UnfitRowError(r"holds half a surrogate pair (such as \ud83d alone), which is no text")
            if MARKS.search(text):
                raise UnfitRowError("holds more than 100 accents on one letter, which is no text")
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
            record[column] = record[column] and self._normal(record[column], kinds)
        self._records.append(record)
        self._normalised.update(kinds)

    def add_unfit(self, row: Row, reason: str) -> None:
        """Add a row that has columns but is no record."""
        raw = json.dumps(row.values, ensure_ascii=False, default=str)
        self._unreadable.append((row_id(self.source, row.values), row.location, reason, _storable(raw)))

    def add_raw(self, row: RawRow) -> None:
        """Add a row that has no columns."""
        raw = row.raw.decode("utf-8", errors="replace")
        self._unreadable.append((raw_id(self.source, row.raw), row.location, row.reason, _storable(raw)))

    def _normal(self, messages: list[Message], kinds: set[str]) -> list[Message]:
        """The messages in normal form; each kind of change that this took is added to ``kinds``."""
        normal = []
        for message in messages:
            text, changes = normalise(message["content"], strip_html=self.strip_html)
            kinds |= changes
            normal.append({"role": message["role"], "content": text})
        return normal

    def build(self) -> BatchRows:
        """The rows so far. Raises SourceError where there are none."""
        if not self._records and not self._unreadable:
            raise SourceError(f"{self.key} holds no rows; fill it, or take it out of the source.")
        return BatchRows(
            records=pl.DataFrame(self._records, schema=RECORD_SCHEMA),
            unreadable=pl.DataFrame(self._unreadable, schema=UNREADABLE_SCHEMA, orient="row"),
            normalised=dict(self._normalised),
        )


def row_id(source: str, values: Mapping[str, Any]) -> str:
    """128-bit BLAKE2b, as 32 hexadecimal digits, of a row's values and its source's name.

    Batch, place in the batch, order of the columns and machine play no part. A null counts as an absent
    value: table formats fill in nulls for columns that only other rows have.
    """
    content = json.dumps(without_nulls(values), sort_keys=True, separators=(",", ":"), default=_tagged)
    return raw_id(source, content.encode("ascii"))


def raw_id(source: str, raw: bytes) -> str:
    """The same hash for bytes that could not be read as a row."""
    # Names of sources cannot hold a line break, so no two pairs of source and content run together.
    return hashlib.blake2b(source.encode() + b"\n" + raw, digest_size=16).hexdigest()


def _storable(raw: str) -> str:
    return raw[:RAW_CHARACTERS].encode("utf-8", errors="replace").decode("utf-8")


def _tagged(value: Any) -> str:
    """Dates, decimals and bytes of Parquet files; the type keeps them apart from equal looking strings."""
    return f"{type(value).__name__}:{value}"
