"""PostgreSQL as Dagster's storage, in place of SQLite files under the storage root."""

from __future__ import annotations

import importlib.util
import os

from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.schema import CreateSchema

from fineline.resources.core.redaction import secret
from fineline.resources.core.storage.files import StorageError

VARIABLE = "FINELINE_POSTGRES_URL"
EXAMPLE = "postgresql://user:password@host:5432/database"
# Dagster needs psycopg2, which is no longer SQLAlchemy's default driver for such an address.
DRIVER = "postgresql+psycopg2"
SECONDS = 5

# Parts of messages of the server or its driver, and what they mean. The messages may hold parts of the address.
REASONS = {
    "Connection refused": "no server listens there",
    "could not translate host name": "there is no such host",
    "timeout expired": f"it did not answer within {SECONDS} seconds",
    "password authentication failed": "it refuses the user or the password",
    "no password supplied": "it asks for a password",
    "does not exist": "the user or the database does not exist",
    "permission denied": "the user may not create a schema in the database",
}


def prepare(recipe: str) -> None:
    """Create the recipe's schema on the server, and complete the address in the environment.

    Two recipes may share a database, since each has a schema of its own.

    Raises:
        StorageError: a package is missing, or the server cannot be used. The message never holds the password.
    """
    if importlib.util.find_spec("dagster_postgres") is None:
        raise StorageError(
            f"{VARIABLE} is set, but the package for PostgreSQL is not installed: pip install 'fineline[postgres]'"
        )
    url = _address(secret(VARIABLE) or "")
    schema = f"fineline_{recipe}"
    engine = create_engine(url.update_query_dict({"connect_timeout": str(SECONDS)}), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            if "options" not in url.query:
                connection.execute(text("SELECT pg_advisory_lock(hashtext(:schema))"), {"schema": schema})
                connection.execute(CreateSchema(schema, if_not_exists=True))
                url = url.update_query_dict({"options": f'-csearch_path="{schema}"'})
    except DBAPIError as error:
        message = str(error.orig)
        reason = next((meaning for words, meaning in REASONS.items() if words in message), type(error.orig).__name__)
        raise StorageError(
            f"the PostgreSQL server that {VARIABLE} names cannot be used: {reason}. Start it, correct the variable "
            f"({EXAMPLE}), or unset it to use SQLite under the storage root."
        ) from None
    finally:
        engine.dispose()
    os.environ[VARIABLE] = url.render_as_string(hide_password=False)


def _address(value: str) -> URL:
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.get_backend_name() not in ("postgresql", "postgres") or not url.database:
        raise StorageError(f"{VARIABLE} holds no address of a PostgreSQL database. It looks like {EXAMPLE}") from None
    return url.set(drivername=DRIVER)
