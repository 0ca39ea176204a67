"""What a request finds: the records to forget, their tombstones, and by what the sweep would recognise them.

The plan is kept beside the request, readable by its owner alone, until all is done: once the first table is
rewritten, nothing else could tell which records the next one must lose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict

from fineline.data_contracts.accounting import FORGOTTEN
from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.storage.inventory import manifests, parts
from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.forgetting.errors import NeedsConfirmation
from fineline.resources.governance.forgetting.request import Request, request_path, write_privately
from fineline.resources.governance.forgetting.texts import BETWEEN, folded, says_any, strings
from fineline.resources.governance.forgetting.tombstones import tombstone

# What says a text here is a record that does; what models wrote says nothing of the record that it is an answer to.
CORPORA = ("raw_corpus", "scrubbed_corpus")
# More of the corpus is forgotten only when the request confirms it.
UNASKED_SHARE = 0.01
UNASKED_RECORDS = 20
# By so many characters of one of its strings a record is recognised, if it has as many as ``SHORTEST``.
PASSAGE = 60
SHORTEST = 20
MAXIMUM_PASSAGES = 2_000


class Plan(BaseModel):
    """``tombstones`` by record_id, the ``batches`` they came in, and ``passages`` that only these records say."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    tombstones: dict[str, str]
    batches: list[str]
    passages: list[str]

    @property
    def sought(self) -> list[str]:
        """What must stand nowhere in the end, beside the texts of the request, in comparable form."""
        return [*self.tombstones, *self.passages]


def plan_path(storage: Storage, request_id: str) -> Path:
    """Where the plan of a request lies."""
    return request_path(storage, request_id).with_suffix(".plan")


def plan(storage: Storage, key: PseudonymKey, request: Request) -> Plan:
    """What the request finds now, with what an interrupted attempt had found; kept for the next attempt.

    Raises:
        NeedsConfirmation: a text is said by more of the corpus than a request without confirmation may forget, and
            no attempt has begun.
    """
    path = plan_path(storage, request.request_id)
    before = Plan.model_validate_json(path.read_bytes()) if path.exists() else None
    found = _find(storage, request)
    if before is None:
        _refuse_too_much(storage, request, found)
    ids = found["record_id"].unique().sort().to_list()
    passages = [] if request.texts else _passages(storage, set(ids))
    now = Plan(
        tombstones={record_id: tombstone(key, record_id) for record_id in ids},
        batches=found["batch"].unique().sort().to_list(),
        passages=passages,
    )
    if before is not None:
        now = Plan(
            tombstones=before.tombstones | now.tombstones,
            batches=sorted({*before.batches, *now.batches}),
            passages=sorted({*before.passages, *now.passages}),
        )
    write_privately(path, now.model_dump_json().encode())
    return now


def _find(storage: Storage, request: Request) -> pl.DataFrame:
    """record_id and batch of every row, as it came in, that the request means."""
    if request.texts:
        return _saying(storage, request.needles)
    if request.records:
        meant = pl.col("record_id").is_in(request.records)
    else:
        meant = pl.col("source") == request.source if request.source else pl.col("batch") == request.batch
    rows = [pl.DataFrame(schema={"record_id": pl.String, "batch": pl.String})]
    for manifest in manifests(storage, "raw_corpus"):
        arrivals, drops = (pl.scan_parquet(storage.file(manifest, role)) for role in ("rows_read", "drops"))
        # Rows that former requests took out carry tombstones.
        gone = drops.filter(pl.col("rule") == FORGOTTEN)
        found = arrivals.filter(meant).join(gone, on="record_id", how="anti")
        rows.append(found.select(rows[0].columns).collect())
    return pl.concat(rows)


def _saying(storage: Storage, needles: list[str]) -> pl.DataFrame:
    rows = [pl.DataFrame(schema={"record_id": pl.String, "batch": pl.String})]
    for asset in CORPORA:
        for manifest in manifests(storage, asset):
            for role in ("data", "quarantine"):
                for part in parts(storage.file(manifest, role)):
                    saying = part.filter(says_any(strings(part), needles))
                    rows.append(saying.select(rows[0].columns).drop_nulls("record_id"))
    return pl.concat(rows)


def _refuse_too_much(storage: Storage, request: Request, found: pl.DataFrame) -> None:
    if request.confirmed or not request.texts:
        return
    total = sum(manifest.rows_in or 0 for manifest in manifests(storage, "raw_corpus"))
    records = found["record_id"].n_unique()
    if records > max(UNASKED_RECORDS, UNASKED_SHARE * total):
        raise NeedsConfirmation(
            f"{records:,} of {total:,} records say what request {request.request_id} names: that is more than "
            f"{UNASKED_SHARE:.0%}. Nothing was forgotten. Name it more closely, or confirm with --yes"
        )


def _passages(storage: Storage, ids: set[str]) -> list[str]:
    """Beginnings of what the records say, in comparable form, that no other record says."""
    said: set[str] = set()
    for part in _raw_parts(storage):
        texts = strings(part.filter(pl.col("record_id").is_in(ids)).drop("record_id", "source", "batch"))
        each = texts.str.split(BETWEEN).explode(empty_as_null=False).to_frame("text").select(folded(pl.col("text")))
        long = each.filter(pl.col("text").str.len_chars() >= SHORTEST)
        said.update(long["text"].str.slice(0, PASSAGE).str.strip_chars())
    for part in _raw_parts(storage) if said else ():
        others = strings(part.filter(~pl.col("record_id").is_in(ids))).alias("text").to_frame()
        common = others.select(folded(pl.col("text")).str.extract_many(sorted(said), overlapping=True).explode())
        said.difference_update(common["text"].drop_nulls())
        if not said:
            break
    # Of more, a sample that the alphabet does not bias.
    return sorted(said, key=lambda text: hashlib.sha256(text.encode()).digest())[:MAXIMUM_PASSAGES]


def _raw_parts(storage: Storage) -> Iterator[pl.DataFrame]:
    for manifest in manifests(storage, "raw_corpus"):
        yield from parts(storage.file(manifest, "data"))
