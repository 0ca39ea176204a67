"""Requests to forget: their form, and the private files in which they wait. Only these files hold what they name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fineline.data_contracts.records import RECORD_ID_PATTERN
from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.files import StorageError
from fineline.resources.core.storage.store import Storage
from fineline.resources.data.ingestion.batches import find_key
from fineline.resources.governance.forgetting.forms import forms, in_order
from fineline.resources.governance.forgetting.texts import contains_any, fold

# The job that carries out a request.
JOB = "forget"
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LONGEST_REASON = 500


class ForgettingError(StorageError):
    """A request cannot be carried out as it stands; the message says why, without the text to forget."""


class NeedsConfirmation(ForgettingError):
    """A request would forget a large part of the corpus and does not confirm that."""


class Request(BaseModel):
    """What to forget: records by id, records that contain one of some texts, a source, or a batch by key or name."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    request_id: str
    reason: str
    records: list[str] = []
    texts: list[str] = []
    source: str | None = None
    batch: str | None = None
    confirmed: bool = Field(False, description="Forget also what is found in more than a hundredth of the corpus.")

    @property
    def asked_by(self) -> str:
        """The kind of request: record, text, source or batch."""
        given = {"record": self.records, "text": self.texts, "source": self.source, "batch": self.batch}
        (kind,) = [name for name, value in given.items() if value]
        return kind

    @property
    def needles(self) -> list[str]:
        """The texts in comparable form, in every form that is forgotten with them."""
        return sorted({form for text in fold([in_order(text) for text in self.texts]) for form in forms(text)})

    def asked(self, key: PseudonymKey) -> str:
        """A keyed hash of what the request names, as 32 hexadecimal digits."""
        content = [sorted(set(self.records)), sorted(set(fold(self.texts))), self.source, self.batch]
        return key.digest("request to forget", json.dumps(content)).hex()[:32]


def check(request: Request) -> None:
    """Raise ForgettingError, without any of the texts, for a request that cannot be carried out."""
    key_of(request.request_id)
    if not 0 < len(request.reason.strip()) <= _LONGEST_REASON:
        raise ForgettingError(
            f"a reason of at most {_LONGEST_REASON} characters is needed; it stays in the certificate"
        )
    if sum(map(bool, (request.records, request.texts, request.source, request.batch))) != 1:
        raise ForgettingError("a request names either records, or texts, or a source, or a batch")
    if not all(re.fullmatch(RECORD_ID_PATTERN, record_id) for record_id in request.records):
        raise ForgettingError("a record id has 32 hexadecimal digits")
    if "" in request.needles:
        raise ForgettingError("a text to forget has no letter and no digit, so it cannot be searched for")
    if contains_any(pl.Series([f"{request.request_id} {request.reason}"]), request.needles).any():
        raise ForgettingError(
            "the reason or the request id contains a text to forget, and both stay in the certificate"
        )


def key_of(request_id: str, kind: str = "json") -> str:
    """The key of a request, of its plan or of its journal. Raises ForgettingError for a malformed id."""
    if not _REQUEST_ID.fullmatch(request_id):
        raise ForgettingError("a request id has at most 64 letters, digits, dots, dashes and underscores, as in R-17")
    return layout.request(request_id, kind)


def put(storage: Storage, request: Request) -> None:
    """Write a request to the file that the job ``forget`` reads, readable by its owner alone.

    Raises:
        ForgettingError: the request cannot be carried out, or another one with this id waits.
    """
    check(request)
    request = _by_key(storage, request)
    key = key_of(request.request_id)
    if storage.root.exists(key) and _named(load(storage, request.request_id)) != _named(request):
        folder = storage.root.location(layout.REQUESTS)
        raise ForgettingError(f"another request {request.request_id} waits in {folder}; give this one its own id")
    storage.root.put(key, request.model_dump_json().encode(), private=True)


def load(storage: Storage, request_id: str) -> Request:
    """A waiting request. Raises ForgettingError if there is none, or it cannot be carried out."""
    found, place = storage.root.get(key_of(request_id)), storage.root.location(key_of(request_id))
    if found is None:
        raise ForgettingError(f"no request {request_id} waits: put it into {place}, or run: fineline forget --help")
    try:
        request = Request.model_validate_json(found.content)
    except ValidationError as error:
        keys = sorted({".".join(str(part) for part in each["loc"]) for each in error.errors(include_input=False)})
        raise ForgettingError(
            f"{place} is no request; look at: {', '.join(filter(None, keys)) or 'its JSON'}"
        ) from None
    if request.request_id != request_id:
        raise ForgettingError(f"{place} holds a request with another id; the file's name must be the id")
    check(request)
    return _by_key(storage, request)


def named(storage: Storage, job: str, request_id: str | None) -> str | None:
    """The request that a run of a job carries out; None for a run of any other job, which carries out none.

    Raises:
        ForgettingError: the job ``forget`` names no request, or another job names one.
    """
    if job != JOB:
        if request_id is not None:
            raise ForgettingError(f"nothing was forgotten: launch the job {JOB} for request {request_id}")
        return None
    if request_id is None:
        names = (name.removesuffix(".json") for name in storage.root.names(layout.REQUESTS) if name.endswith(".json"))
        waiting = ", ".join(filter(_REQUEST_ID.fullmatch, names)) or "none"
        raise ForgettingError(f"name the request in the run's configuration, under config: request; waiting: {waiting}")
    return request_id


def finish(storage: Storage, request_id: str) -> None:
    """Destroy a request with its plan and journal, and what a killed attempt left unfinished."""
    for kind in ("journal", "plan", "json"):
        key = key_of(request_id, kind)
        unfinished = f".{key.rpartition('/')[2]}."
        for name in storage.root.names(layout.REQUESTS):
            if name.startswith(unfinished):
                storage.root.erase(f"{layout.REQUESTS}/{name}")
        storage.root.erase(key)


def _by_key(storage: Storage, request: Request) -> Request:
    """The request with its batch, which people may call by the name of a file, named by its key."""
    return request.model_copy(update={"batch": request.batch and find_key(storage, request.batch)})


def _named(request: Request) -> Mapping[str, Any]:
    return request.model_dump(exclude={"confirmed", "reason"})
