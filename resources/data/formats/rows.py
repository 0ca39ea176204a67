"""Rows as file formats give them: taken apart into columns, or as raw bytes where that failed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fineline.resources.core.redaction import FinelineError

# Nobody can learn from a longer row (some 4 million tokens): the file is broken.
MAXIMUM_RECORD = 16 * 2**20
# Every step can walk through such a row within Python's limit of 1,000 calls.
MAXIMUM_DEPTH = 400
RAW_CHARACTERS = 10_000
SURROGATE = re.compile("[\ud800-\udfff]")


class SourceError(FinelineError):
    """A source that cannot be read; the message names what is wrong and what to do, without any content."""


class PassingError(SourceError):
    """A source that cannot be read now, through no fault of what stands in it; later it may be."""


@dataclass(frozen=True)
class Row:
    """A row by column, its place in the batch, and about how many bytes it has."""

    location: str
    values: Mapping[str, Any]
    size: int = 0


@dataclass(frozen=True)
class RawRow:
    """A row that could not be taken apart into columns: its place in the batch, its bytes, and the reason."""

    location: str
    raw: bytes
    reason: str


def is_too_deep(value: Any) -> bool:
    """Whether a JSON value has objects and lists inside each other more than 400 levels deep."""
    level = [value]
    for _ in range(MAXIMUM_DEPTH):
        level = [each for each in level if isinstance(each, (dict, list))]
        if not level:
            return False
        level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)]
    return True


def without_nulls(value: Any) -> Any:
    """A JSON-like value without the nulls in its objects: tables fill them in for fields that other rows have."""
    if isinstance(value, Mapping):
        return {str(key): without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [without_nulls(each) for each in value]
    return value
