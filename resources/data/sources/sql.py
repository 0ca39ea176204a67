"""A SQL query as a source: all its rows, or the new ones by a column that only rises."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import polars as pl
from sqlalchemy import Connection, Select, Subquery, column, create_engine, func, literal_column, make_url, select, text
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)

from fineline.resources.core.recipe.base import digest
from fineline.resources.core.recipe.sources import Sql
from fineline.resources.core.redaction import secret
from fineline.resources.data.formats.rows import PassingError, SourceError
from fineline.resources.data.formats.tables import BATCH_ROWS, frame_rows
from fineline.resources.data.shapes.content import BatchRows
from fineline.resources.data.shapes.fitting import fit_rows
from fineline.resources.data.sources.batch import Batch, Bound, IncrementPlace
from fineline.resources.data.sources.connector import Connector, Offer

# What a message quotes, and what stands alone behind its last colon.
_QUOTED = re.compile(r"""(["'`])(.+?)\1|(?<=: )(\S+)$""")


class SqlConnector(Connector[Sql]):
    """A query: all its rows, or the new ones by a column that only rises."""

    def batches(self, source: Sql) -> list[Batch]:
        """One batch, the query; its content is the query's text with the result of the query ``version`` now."""
        _uri(source)
        state: list[Any] = []
        if source.version is not None:
            with _connection(source) as connection:
                state = [list(row) for row in connection.execute(text(source.version))]
        content = hashlib.sha256(json.dumps([source.query, state], default=str).encode()).hexdigest()
        return [Batch("query", content)]

    def offer(self, source: Sql, mark: Bound | None) -> Offer:
        """The rows above the mark, or the query as a whole where it has no increment."""
        if source.increment is None:
            return Offer(self.batches(source))
        upto = _highest(source)
        if upto is None or (mark is not None and not _is_above(upto, mark, source)):
            return Offer([], adds=True, mark=mark)
        place = IncrementPlace(upto, after=mark)
        name = f"{mark.text if mark else 'start'}..{upto.text}"
        return Offer([Batch(name, digest(asdict(place)), place)], adds=True, mark=upto)

    def origin(self, source: Sql) -> list[str | None]:
        """Increments of another database or column are other batches."""
        return [source.uri_variable, source.increment] if source.increment is not None else []

    def read(self, source: Sql, key: str, batch: Batch) -> Iterator[BatchRows]:
        """The rows of the query, or of one increment of it."""
        query = _between(source, batch.place) if isinstance(batch.place, IncrementPlace) else source.query
        with _connection(source) as connection:
            frames = pl.read_database(
                query, connection, iter_batches=True, batch_size=BATCH_ROWS, infer_schema_length=None
            )
            yield from fit_rows(key, frame_rows(frames), source)


def _highest(source: Sql) -> Bound | None:
    """The highest value of the increment column now; None where the query gives no rows."""
    rows = _table(source)
    with _connection(source) as connection:
        value = connection.execute(select(func.max(rows.c[str(source.increment)]))).scalar()
    try:
        return None if value is None else Bound.of(value)
    except ValueError as error:
        raise SourceError(f"{source.name}: the column {source.increment}, its increment, {error}.") from None


def _is_above(bound: Bound, mark: Bound, source: Sql) -> bool:
    try:
        return bool(bound.value > mark.value)
    except TypeError:
        raise SourceError(
            f"{source.name}: the column {source.increment} was of type {mark.type} and is {bound.type} now, so that it "
            "is not known which rows are new. Give the source a new name, to read all of them again."
        ) from None


def _table(source: Sql) -> Subquery:
    """The query as a table with the increment column."""
    return text(source.query.rstrip().rstrip(";")).columns(column(str(source.increment))).subquery("increments")


def _between(source: Sql, place: IncrementPlace) -> Select[Any]:
    """The rows of an increment, in its order; the bounds go to the database as values, never as SQL."""
    rows = _table(source)
    increment = rows.c[str(source.increment)]
    query: Select[Any] = select(literal_column("increments.*")).select_from(rows).where(increment <= place.upto.value)
    if place.after is not None:
        query = query.where(increment > place.after.value)
    return query.order_by(increment)


@contextmanager
def _connection(source: Sql) -> Iterator[Connection]:
    """A connection that reads rows as they come. Its errors do not show the address, which may hold a password.

    Raises PassingError for all but a value that no table holds: address, credentials, package, server or query.
    """
    try:
        url = make_url(_uri(source))
        if url.password is not None and "@" in f"{url.host} {url.database}":
            raise ValueError("the password has an @, so that its rest would be taken for the host and shown")
        engine = create_engine(url)
    except ImportError as error:
        raise PassingError(
            f"{source.name}: the database needs the package {error.name}, which is not installed, or lacks a library: "
            f"pip install {error.name}"
        ) from None
    # Also where a part of the password stands where the port should; the error quotes it.
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise PassingError(
            f"{source.name}: {source.uri_variable} holds no address that SQLAlchemy understands. Set it as in "
            "postgresql+psycopg://user:password@host/database or sqlite:////path/to/file.db; a password's : / @ and # "
            "are written as %3A %2F %40 and %23."
        ) from None
    try:
        with engine.connect() as connection:
            yield connection.execution_options(stream_results=True)
    except (OperationalError, ProgrammingError) as error:
        raise PassingError(
            f"{source.name}: the database refused: {_reason(source, error)}. Correct the query."
        ) from None
    # A table's library quotes the value that it cannot hold, as may a driver.
    except (SQLAlchemyError, OSError, pl.exceptions.PolarsError) as error:
        kind = SourceError if isinstance(error, (DataError, pl.exceptions.PolarsError)) else PassingError
        raise kind(f"{source.name}: the database cannot be read ({type(error).__name__}).") from None
    finally:
        engine.dispose()


def _reason(source: Sql, error: DBAPIError) -> str:
    """The first line of a database's message. It shows names of the query alone: others may be of a row."""
    asked = f"{source.query} {source.version} {source.increment}"
    message = str([error.orig, *getattr(error.orig, "args", ())][-1]).partition("\n")[0]
    return _QUOTED.sub(lambda found: found[0] if (found[2] or found[3]) in asked else "…", message)


def _uri(source: Sql) -> str:
    uri = secret(source.uri_variable)
    if not uri:
        raise PassingError(
            f"{source.name}: the environment variable {source.uri_variable} is not set. It holds the database's "
            "address with its password, as SQLAlchemy takes it, so that the recipe need not."
        )
    return uri
