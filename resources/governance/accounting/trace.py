"""The trace of a record: every stored row about it, and the datasets and models that saw it.

A trace searches every table that has record_ids, so it also finds a record where none should be. It returns ids,
places, rules and counts, never the words of a record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import polars as pl

from fineline.data_contracts import catalog
from fineline.resources.core.keys import stored_key
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.inventory import Inventory
from fineline.resources.core.storage.root import Root
from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.accounting.mentions import mentions
from fineline.resources.models.exposure import ROLE as EXPOSURE
from fineline.resources.models.exposure import ExposedModel, exposed_models, exposure_lists

T = TypeVar("T")

SHOWN = 50
# Assets whose rows show the end of many records at once.
_ENDS = frozenset({catalog.RECORD_LEDGER.name, *(each.name for each in catalog.DATASETS)})
# Columns that show what became of a record. None of them holds words of a record.
_FACTS = (
    "copy",
    "kind",
    "replacements",
    "cluster",
    "representative",
    "reason",
    "similarity",
    "failed_rule",
    "is_issue",
    "model",
    "dataset",
    "split",
    "fate",
    "place",
    "asset",
    "rule",
    "detail",
    "request",
)


@dataclass(frozen=True)
class Step:
    """One stored row about a record: the asset, batch and role of its table, and the ``facts`` in it.

    ``data_version`` is None for a model in training.
    """

    asset: str
    batch: str | None
    role: str
    data_version: str | None
    facts: dict[str, Any]


@dataclass(frozen=True)
class Trace:
    """All rows stored about a record, and the id of the request that forgot it, if one did.

    ``found`` is whether anything is stored about the record.
    """

    found: bool
    record_id: str
    steps: list[Step]
    forgotten_by: str | None


@dataclass(frozen=True)
class TextTrace:
    """The records that mention a text: the count of all of them, and a trace of each of the first ``SHOWN``.

    ``rows_by_batch`` counts a record in each batch that it was read from. The traces cover the ledger, the datasets
    and the models; a trace by record_id covers all tables.
    """

    records: int
    rows_by_batch: dict[str, int]
    seen_by: list[ExposedModel]
    traces: list[Trace]


def trace(storage: Storage, record_id: str) -> Trace:
    """The trace of a record through all tables.

    Raises:
        StorageError: the key that hides forgotten ids cannot be used.
    """
    (found,) = _unchanged(storage, lambda: _traces(storage, _tables(storage), [record_id]))
    return found


def trace_text(storage: Storage, text: str) -> TextTrace:
    """The records of the raw corpus that mention a text, found by :func:`mentions`.

    Raises:
        StorageError: the text has neither letters nor digits, or a table cannot be read.
    """
    return _unchanged(storage, lambda: _trace_text(storage, text))


def _unchanged(storage: Storage, search: Callable[[], T]) -> T:
    """Search while every stored file is kept; repeat the search when a training ended and took its list with it."""
    with storage.reading(Inventory(storage).assets()):
        while True:
            trainings = [each for each in exposure_lists(storage) if each.manifest is None]
            try:
                return search()
            except FileNotFoundError:
                if all(each.root.exists(each.key) for each in trainings):
                    raise


def _trace_text(storage: Storage, text: str) -> TextTrace:
    tables = _tables(storage)
    corpus = {table.role: list(table.files) for table in tables if table.asset == catalog.RAW_CORPUS.name}
    found = mentions(storage.root, corpus.get("data", []), corpus.get("quarantine", []), text)
    ids = found["record_id"].drop_nulls().unique(maintain_order=True)
    rows_by_batch = dict(found.group_by("batch").len().sort("batch").iter_rows())
    ends = [table for table in tables if table.role == EXPOSURE or table.asset in _ENDS]
    traces = _traces(storage, ends, ids.head(SHOWN).to_list())
    return TextTrace(len(ids), rows_by_batch, exposed_models(storage, ids), traces)


@dataclass(frozen=True)
class _Table:
    """The files of an asset in one role by key, each with its batch and data version."""

    root: Root
    asset: str
    role: str
    files: dict[str, tuple[str | None, str | None]]


def _traces(storage: Storage, tables: Sequence[_Table], record_ids: Sequence[str]) -> list[Trace]:
    known_as, forgotten_by = _tombstones(storage, record_ids)
    steps: dict[str, list[Step]] = {record_id: [] for record_id in record_ids}
    for name, step in _steps(tables, [*known_as]):
        steps[known_as[name]].append(step)
    requests = [(each, forgotten_by.get(each)) for each in record_ids]
    return [Trace(bool(steps[each] or request), each, steps[each], request) for each, request in requests]


def _tables(storage: Storage) -> list[_Table]:
    """All Parquet tables that manifests name, in the order in which records flow; models by their age."""
    tables: dict[tuple[str, str], _Table] = {}
    made_at: dict[str, datetime] = {}
    for manifest in Inventory(storage).manifests():
        made_at[manifest.asset] = manifest.made_at
        for role in manifest.tables:
            table = tables.setdefault((manifest.asset, role), _Table(storage.root, manifest.asset, role, {}))
            for key in storage.keys(manifest, role).values():
                table.files[key] = (manifest.batch, manifest.data_version)
    for each in exposure_lists(storage):
        if each.manifest is None:
            tables[each.asset, EXPOSURE] = _Table(each.root, each.asset, EXPOSURE, {each.key: (None, None)})
    now = datetime.now(UTC)
    in_order = sorted(tables, key=lambda name: (catalog.position(name[0]), made_at.get(name[0], now), name))
    return [tables[name] for name in in_order]


def _steps(tables: Sequence[_Table], names: Sequence[str]) -> Iterator[tuple[str, Step]]:
    """The record_id and the step of each row of the tables that has one of these record_ids."""
    queries = [(table, query) for table in tables if (query := _query(table, names)) is not None]
    for (table, _), rows in zip(queries, pl.collect_all([query for _, query in queries]), strict=True):
        for row in rows.iter_rows(named=True):
            name, (batch, version) = row.pop("record_id"), table.files[row.pop("key")]
            facts = {key: value for key, value in row.items() if value is not None}
            yield name, Step(table.asset, batch, table.role, version, facts)


def _query(table: _Table, names: Sequence[str]) -> pl.LazyFrame | None:
    columns = table.root.scan([*table.files][:1]).collect_schema().names()
    if "record_id" not in columns:
        return None
    facts = [name for name in _FACTS if name in columns]
    # A batch that an older version wrote may lack a column.
    rows = table.root.scan([*table.files], keys_as="key", uneven=True)
    # polars compares a plain list with the statistics of each row group, which is slower for many names.
    wanted = names if len(names) <= 2 else pl.Series(names).implode()
    return rows.filter(pl.col("record_id").is_in(wanted)).select("record_id", "key", *facts)


def _tombstones(storage: Storage, record_ids: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The record_id behind each name that records may be stored under, and the requests that forgot them."""
    known_as = {record_id: record_id for record_id in record_ids}
    key = stored_key(storage.root)
    if key is None or not storage.root.exists(layout.TOMBSTONES):
        return known_as, {}
    known_as |= {key.tombstone(record_id): record_id for record_id in record_ids}
    rows = storage.root.scan([layout.TOMBSTONES]).filter(pl.col("tombstone").is_in([*known_as]))
    requests = rows.filter(pl.col("kind") == "record").select("tombstone", "request_id").collect()
    return known_as, {known_as[tombstone]: request for tombstone, request in requests.iter_rows()}
