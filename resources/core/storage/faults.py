"""Tells transient errors, a full disk and damaged tables apart, with what to do about each."""

from __future__ import annotations

import errno
import hashlib
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl
import pyarrow as pa

from fineline.resources.core.storage.files import NO_ROOM, NoRoom, StorageError, no_room
from fineline.resources.core.storage.integrity import damaged, find_damaged
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Storage

MAXIMUM_RETRIES = 4
FIRST_WAIT = 2.0
LONGEST_WAIT = 60.0

_PASSING = frozenset(
    {
        errno.EIO,
        errno.EAGAIN,
        errno.EINTR,
        errno.ESTALE,
        errno.ETIMEDOUT,
        errno.ECONNRESET,
        errno.ECONNREFUSED,
        errno.ECONNABORTED,
        errno.EPIPE,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        getattr(errno, "EREMOTEIO", errno.EIO),  # Linux alone has it
    }
)
_PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
# Connection lost, rolled back for another transaction, out of resources, shutting down or starting.
_PASSING_SQLSTATES = ("08", "40", "53", "57P")
_PASSING_SQLITE = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_PROTOCOL")
# The second is what is left of a full disk where SQLite extends its shared memory.
_FULL_SQLITE = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")
# By name: these libraries are optional, or loaded only where they are needed.
_PASSING_NAMES = frozenset(
    {
        "ConnectError",  # httpx
        "ReadError",
        "WriteError",
        "RemoteProtocolError",
        "TimeoutException",
        "ConnectionError",  # requests
        "Timeout",
        "ChunkedEncodingError",
        "ClientConnectionError",  # aiohttp
        "ClientPayloadError",
        "ServerDisconnectedError",
        "EndpointConnectionError",  # botocore
        "ConnectTimeoutError",
        "ReadTimeoutError",
        "IncompleteRead",  # http.client, urllib3
        "FSTimeoutError",  # fsspec
    }
)
# What looks like one of these and is not: the environment keeps the machine off the network.
_LASTING_NAMES = frozenset({"OfflineModeIsEnabled"})
_OS_ERROR = re.compile(r"\(os error (\d+)\)")


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed a little later: a lost connection, a time-out, a busy database.

    The causes count too: a SourceError hides what went wrong.
    """
    causes = list(_causes(error))
    if any(isinstance(each, StorageError) or _is_named(each, _LASTING_NAMES) for each in causes):
        return False
    return any(_passes(each) for each in causes)


def seconds_to_wait(error: BaseException, retries: int, seed: str) -> float | None:
    """The seconds to wait before work is tried again, or None where that is of no use or was done often enough.

    The wait doubles with each of the ``retries`` so far, up to a minute; ``seed`` (a run's id) spreads those who
    failed together over half as much again.
    """
    if retries >= MAXIMUM_RETRIES or not is_transient(error):
        return None
    spread = hashlib.blake2b(f"{seed} {retries}".encode(), digest_size=2).digest()
    return min(math.ldexp(FIRST_WAIT, retries), LONGEST_WAIT) * (1 + 0.5 * int.from_bytes(spread, "big") / 0xFFFF)


def is_no_room(error: BaseException) -> bool:
    """Whether a full disk, a quota or a limit on file sizes is behind an error."""
    return any(
        isinstance(each, NoRoom)
        or _os_error(each) in NO_ROOM
        or getattr(each, "sqlite_errorname", None) in _FULL_SQLITE
        for each in _causes(error)
    )


def explain(error: Exception, storage: Storage, inputs: Iterable[tuple[str, str | None]]) -> Exception:
    """The error to raise, from this one, that ended work on stored ``inputs`` (asset and batch).

    A full disk becomes NoRoom. Where reading failed, the inputs are compared with their hashes: a damaged one is set
    aside and becomes Damaged. Any other error is returned as it is.
    """
    if isinstance(error, StorageError):
        return error
    if is_no_room(error):
        number = next((found for found in map(_os_error, _causes(error)) if found in NO_ROOM), None)
        return no_room(storage.local.folder, number)
    if any(
        isinstance(each, (pl.exceptions.PolarsError, pa.ArrowException, OSError, ValueError)) for each in _causes(error)
    ):
        for manifest in filter(None, (storage.manifest(*each) for each in inputs)):
            found = next(filter(None, (_unreadable(storage, manifest, role) for role in manifest.roles)), None)
            if found is not None:
                return damaged(storage, manifest, found)
    return error


def _unreadable(storage: Storage, manifest: Manifest, role: str) -> str | None:
    """The key of a file of a role that is damaged, or cannot even be read, which was tried again before."""
    for batch, key in storage.keys(manifest, role).items():
        try:
            damaged_key = find_damaged(storage, manifest, role, {batch})
        except OSError:
            return key
        if damaged_key is not None:
            return damaged_key
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that led to it, also what ``from None`` hides from a reader."""
    found: BaseException | None = error
    seen: set[int] = set()
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__


def _passes(error: BaseException) -> bool:
    if isinstance(error, (ConnectionError, TimeoutError)) or _os_error(error) in _PASSING:
        return True
    return _is_named(error, _PASSING_NAMES) or _status(error) in _PASSING_STATUS or _database_is_busy(error)


def _is_named(error: BaseException, names: frozenset[str]) -> bool:
    return any(kind.__name__ in names for kind in type(error).__mro__)


def _status(error: BaseException) -> int | None:
    """The answer of an HTTP server, as requests, httpx and huggingface_hub, or aiohttp and fsspec give it."""
    response: Any = getattr(error, "response", None)
    status: Any = getattr(response, "status_code", None) or getattr(error, "status", None)
    return status if isinstance(status, int) else None


def _database_is_busy(error: BaseException) -> bool:
    name = str(getattr(error, "sqlite_errorname", ""))
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if state is not None:
        return str(state).startswith(_PASSING_SQLSTATES)
    if name:
        return name.startswith(_PASSING_SQLITE)
    # A driver that gives no state has not reached its server, or has lost it.
    return type(error).__name__ in ("OperationalError", "InterfaceError") and type(error).__module__.startswith(
        ("psycopg", "pymysql", "MySQLdb", "asyncpg")
    )


def _os_error(error: BaseException) -> int | None:
    """The system's number of an error; libraries written in Rust give it in the message alone."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    number = _OS_ERROR.search(str(error)) if not isinstance(error, OSError) else None
    return int(number[1]) if number else None
