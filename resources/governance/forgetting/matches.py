"""Matches of a request: the records to forget, their tombstones, and the texts by which the sweep recognises them.

They are stored as a plan beside the request, readable by its owner alone, until the request is done: once the first
table is rewritten, nothing else shows which records the next one must lose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fineline.data_contracts import catalog
from fineline.data_contracts.accounting import FORGOTTEN
from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.storage.inventory import Inventory
from fineline.resources.core.storage.parquet import row_groups
from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.forgetting.request import NeedsConfirmation, Request, key_of
from fineline.resources.governance.forgetting.texts import BETWEEN, contains_any, folded, strings

# The assets searched for a text. The words of a model, stored elsewhere, are not those of a record.
CORPORA = (catalog.RAW_CORPUS.name, catalog.SCRUBBED_CORPUS.name)
# A request for more than both of these must be confirmed.
UNCONFIRMED_SHARE = 0.01
UNCONFIRMED_RECORDS = 20
# A record is recognised by so many characters of one of its strings, if the string has at least ``SHORTEST``.
PASSAGE = 60
SHORTEST = 20
MAXIMUM_PASSAGES = 2_000


class Plan(BaseModel):
    """``tombstones`` by record_id, the ``batches`` of these records, and ``passages`` that no other record contains.

    ``begun`` is when the first attempt was planned.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    tombstones: dict[str, str] = {}
    batches: list[str] = []
    passages: list[str] = []
    begun: datetime = Field(default_factory=lambda: datetime.now(UTC))

    @property
    def sought(self) -> list[str]:
        """The record_ids and passages that must occur nowhere in the end, in comparable form."""
        return [*self.tombstones, *self.passages]


def plan(storage: Storage, key: PseudonymKey, request: Request) -> Plan:
    """Everything that the request matches now or matched in an interrupted attempt, stored for the next attempt.

    Raises:
        NeedsConfirmation: more of the corpus contains a text than an unconfirmed request may forget, and no attempt
            has begun.
    """
    place = key_of(request.request_id, "plan")
    stored = storage.root.get(place)
    before = Plan.model_validate_json(stored.content) if stored else Plan()
    found = _find(storage, request)
    if stored is None:
        _refuse_too_much(storage, request, found)
    ids = found["record_id"].unique().sort().to_list()
    passages = [] if request.texts else _passages(storage, set(ids))
    now = Plan(
        tombstones=before.tombstones | {record_id: key.tombstone(record_id) for record_id in ids},
        batches=sorted({*before.batches, *found["batch"]}),
        passages=sorted({*before.passages, *passages}),
        begun=before.begun,
    )
    storage.root.put(place, now.model_dump_json().encode(), private=True)
    return now


def _find(storage: Storage, request: Request) -> pl.DataFrame:
    """The record_id and batch of every row read that the request names."""
    rows = _containing(storage, request.needles) if request.texts else _named(storage, request)
    nothing = pl.DataFrame(schema={"record_id": pl.String, "batch": pl.String})
    return pl.concat([nothing, *(each.select(nothing.columns) for each in rows)])


def _containing(storage: Storage, needles: list[str]) -> Iterator[pl.DataFrame]:
    for asset in CORPORA:
        for role in ("data", "quarantine"):
            for part in _parts(storage, asset, role):
                yield part.filter(contains_any(strings(part), needles)).drop_nulls("record_id")


def _named(storage: Storage, request: Request) -> Iterator[pl.DataFrame]:
    if request.records:
        named = pl.col("record_id").is_in(request.records)
    else:
        named = pl.col("source") == request.source if request.source else pl.col("batch") == request.batch
    for manifest in Inventory(storage).manifests(catalog.RAW_CORPUS.name):
        # The rows that earlier requests removed carry tombstones.
        gone = storage.scan(manifest, "drops").filter(pl.col("rule") == FORGOTTEN)
        yield storage.scan(manifest, "rows_read").filter(named).join(gone, on="record_id", how="anti").collect()


def _refuse_too_much(storage: Storage, request: Request, found: pl.DataFrame) -> None:
    if request.confirmed or not request.texts:
        return
    total = sum(manifest.rows_in or 0 for manifest in Inventory(storage).manifests(catalog.RAW_CORPUS.name))
    records = found["record_id"].n_unique()
    if records > max(UNCONFIRMED_RECORDS, UNCONFIRMED_SHARE * total):
        raise NeedsConfirmation(
            f"{records:,} of {total:,} records contain what request {request.request_id} names: that is more than "
            f"{UNCONFIRMED_SHARE:.0%}. Nothing was forgotten. Name it more closely, or confirm with --yes"
        )


def _passages(storage: Storage, ids: set[str]) -> list[str]:
    """The beginnings of the records' strings, in comparable form, that no other record contains."""
    found: set[str] = set()
    for part in _parts(storage, catalog.RAW_CORPUS.name, "data"):
        texts = strings(part.filter(pl.col("record_id").is_in(ids)).drop("record_id", "source", "batch"))
        each = texts.str.split(BETWEEN).explode(empty_as_null=False).to_frame("text").select(folded(pl.col("text")))
        long = each.filter(pl.col("text").str.len_chars() >= SHORTEST)
        found.update(long["text"].str.slice(0, PASSAGE).str.strip_chars())
    for part in _parts(storage, catalog.RAW_CORPUS.name, "data") if found else ():
        others = strings(part.filter(~pl.col("record_id").is_in(ids))).alias("text").to_frame()
        common = others.select(folded(pl.col("text")).str.extract_many(sorted(found), overlapping=True).explode())
        found.difference_update(common["text"].drop_nulls())
        if not found:
            break
    # A sample in the order of hashes, which the alphabet does not bias.
    return sorted(found, key=lambda text: hashlib.sha256(text.encode()).digest())[:MAXIMUM_PASSAGES]


def _parts(storage: Storage, asset: str, role: str) -> Iterator[pl.DataFrame]:
    for manifest in Inventory(storage).manifests(asset):
        yield from row_groups(storage.root, storage.key(manifest, role))
