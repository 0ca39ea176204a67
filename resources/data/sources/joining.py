"""Rows whose other half lies in a second file, such as questions and their answers."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fineline.resources.data.sources.batch import RawRow, Row, SourceError


class Joined:
    """The rows of a second file by the value of a column; they are kept in memory."""

    def __init__(self, on: str, rows: Iterable[Row | RawRow]) -> None:
        self._on = on
        self._rows: dict[Any, Mapping[str, Any]] = {}
        for row in rows:
            if isinstance(row, RawRow):
                raise SourceError(f"{row.location} of the joined file {row.reason}; mend the file.")
            value = row.values.get(on)
            if not isinstance(value, (str, int)) or value in self._rows:
                raise SourceError(f"{row.location} of the joined file has no '{on}' that is its own; mend the file.")
            self._rows[value] = row.values

    def added_to(self, rows: Iterable[Row | RawRow]) -> Iterator[Row | RawRow]:
        """The rows with the columns of the row of the same value; a row without one stays as it is."""
        for row in rows:
            if isinstance(row, Row):
                value = row.values.get(self._on)
                other = self._rows.get(value, {}) if isinstance(value, (str, int)) else {}
                yield Row(row.location, {**other, **row.values}, row.size)
            else:
                yield row
