"""From rows as they were read to records: each counted, repeats and unreadable rows set apart."""

import polars as pl

from fineline.data_contracts.accounting import QuarantinedRecord
from fineline.data_contracts.records import Record
from fineline.resources.sources.reader import BatchRows
from fineline.resources.tables import Made, dropped

ARRIVAL_COLUMNS = ["record_id", "batch", "source", "copy"]


def ingest(rows: BatchRows, source: str, batch: str) -> Made:
    """Keep the first of identical rows of a batch; unreadable rows go to quarantine."""
    copies = rows.records.with_columns(copy=pl.int_range(pl.len(), dtype=pl.UInt32).over("record_id"))
    repeated = copies.filter(pl.col("copy") > 0)
    unreadable = rows.unreadable.select(
        "record_id",
        source=pl.lit(source),
        batch=pl.lit(batch),
        rule=pl.lit("unreadable_row"),
        detail=pl.format("{}: {}", "location", "reason"),
        record="raw",
    ).cast(QuarantinedRecord.create_empty().schema)
    return Made(
        frame=copies.filter(pl.col("copy") == 0).select(Record.column_names()),
        rows_in=rows.records.height + rows.unreadable.height,
        drops=dropped(repeated, "raw_corpus", "repeated_row", pl.format("copy {}", "copy")),
        quarantine=unreadable,
        beside={"arrivals": arrivals(rows, source, batch)},
    )


def arrivals(rows: BatchRows, source: str, batch: str) -> pl.DataFrame:
    """One line for each row that came in, whatever became of it: record_id, batch, source, copy.

    Counted from the rows as read, not from what was kept, so that the ledger has something to be held against.
    """
    ids = pl.concat([rows.records.select("record_id"), rows.unreadable.select("record_id")])
    return ids.select(
        "record_id",
        batch=pl.lit(batch),
        source=pl.lit(source),
        copy=pl.int_range(pl.len(), dtype=pl.UInt32).over("record_id"),
    )
