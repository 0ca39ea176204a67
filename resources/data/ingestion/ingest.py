"""Rows as they were read become records: each is counted; repeats, unreadable and unlicensed rows are set apart."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import polars as pl

from fineline.data_contracts import catalog
from fineline.data_contracts.accounting import FORGOTTEN, LICENCE_NOT_ALLOWED, QuarantinedRecord
from fineline.data_contracts.records import Record
from fineline.resources.core.storage.tables import TableOutput, dropped
from fineline.resources.data.shapes.content import BatchRows

QUARANTINE = QuarantinedRecord.create_empty().schema


class Forgotten(Protocol):
    """Recognises rows that must not come back."""

    def instead(self, rows: pl.DataFrame, source: str) -> pl.Series:
        """The tombstone that replaces each row's record_id, or null for a row that may stay."""


def ingest(
    parts: Iterable[BatchRows],
    source: str,
    batch: str,
    allowed_licences: Sequence[str] | None = None,
    progress: Callable[[int, None], None] | None = None,
    forgotten: Forgotten | None = None,
) -> Iterator[TableOutput]:
    """Each part's rows: the first of identical rows of the batch is kept, the others are drops.

    Rows that cannot be read, and records of a licence that is not allowed, go to quarantine; of a forgotten row only
    a drop under its tombstone is left. Between the parts, 16 bytes of each row are kept in memory, to know repeats.
    ``progress`` receives the number of rows so far.
    """
    copies: defaultdict[bytes, int] = defaultdict(int)
    read = 0
    for rows in parts:
        rows, tombstones = _without_forgotten(rows, source, forgotten)
        arrived = _arrivals(rows, tombstones, source, batch, copies)
        records = rows.records.with_columns(arrived["copy"].head(rows.records.height))
        repeated = records.filter(pl.col("copy") > 0)
        first = records.filter(pl.col("copy") == 0).select(Record.column_names())
        refused = first["licence"].is_in(_refused(first["licence"], allowed_licences))
        yield TableOutput(
            frame=first.filter(~refused),
            rows_in=arrived.height,
            drops=pl.concat(
                [
                    dropped(repeated, catalog.RAW_CORPUS.name, "repeated_row", pl.format("copy {}", "copy")),
                    dropped(arrived.tail(tombstones.len()), catalog.RAW_CORPUS.name, FORGOTTEN),
                ]
            ),
            quarantine=pl.concat([_unreadable(rows.unreadable, source, batch), _unlicensed(first.filter(refused))]),
            side_tables={"rows_read": arrived},
            facts={f"normalised: {kind}": count for kind, count in sorted(rows.normalised.items())},
        )
        read += arrived.height
        if progress is not None:
            progress(read, None)


def is_allowed(licence: str, allowed: Sequence[str]) -> bool:
    """Whether a licence is among those allowed, whatever the case of its letters.

    Of an SPDX expression, one of the alternatives joined by OR must be, and in it all that AND joins.
    """
    names = {name.strip().lower() for name in allowed}
    given = licence.strip().lower()
    if given in names:
        return True
    if "(" in given:
        return False
    return any(all(one.strip() in names for one in re.split(r"\sand\s", each)) for each in re.split(r"\sor\s", given))


def _numbered(record_ids: Iterable[str], copies: defaultdict[bytes, int]) -> list[int]:
    """For each of the ids, the number of its copies so far, which ``copies`` keeps."""
    numbers = []
    for each in map(bytes.fromhex, record_ids):
        numbers.append(copies[each])
        copies[each] += 1
    return numbers


def _without_forgotten(rows: BatchRows, source: str, forgotten: Forgotten | None) -> tuple[BatchRows, pl.Series]:
    """The rows that may stay, and a tombstone for each of the others."""
    if forgotten is None:
        return rows, pl.Series([], dtype=pl.String)
    records, unreadable = (forgotten.instead(frame, source) for frame in (rows.records, rows.unreadable))
    stay = replace(
        rows,
        records=rows.records.filter(records.is_null()),
        unreadable=rows.unreadable.filter(unreadable.is_null()),
    )
    return stay, pl.concat([records, unreadable]).drop_nulls()


def _arrivals(
    rows: BatchRows, tombstones: pl.Series, source: str, batch: str, copies: defaultdict[bytes, int]
) -> pl.DataFrame:
    """One line for each row that was read, whatever became of it: record_id, batch, source, copy.

    Counted from the rows as read, not from those that are kept, so that the ledger can be checked against it. Those of
    forgotten rows come last.
    """
    ids = pl.concat([rows.records["record_id"], rows.unreadable["record_id"], tombstones.rename("record_id")])
    numbers = pl.Series(_numbered(ids, copies), dtype=pl.UInt32)
    return pl.select(record_id=ids, batch=pl.lit(batch), source=pl.lit(source), copy=numbers)


def _refused(licences: pl.Series, allowed: Sequence[str] | None) -> list[str]:
    if allowed is None:
        return []
    return [licence for licence in licences.unique().drop_nulls() if not is_allowed(licence, allowed)]


def _unreadable(rows: pl.DataFrame, source: str, batch: str) -> pl.DataFrame:
    return rows.select(
        "record_id",
        source=pl.lit(source),
        batch=pl.lit(batch),
        rule=pl.lit("unreadable_row"),
        detail=pl.format("{}: {}", "location", "reason"),
        record="raw",
    ).cast(QUARANTINE)


def _unlicensed(records: pl.DataFrame) -> pl.DataFrame:
    return records.select(
        "record_id",
        "source",
        "batch",
        rule=pl.lit(LICENCE_NOT_ALLOWED),
        detail=pl.format("the licence is {}", "licence"),
        record=pl.struct(pl.all()).struct.json_encode(),
    ).cast(QUARANTINE)
