"""The ledger: where every record is."""

from __future__ import annotations

import dataclasses

import dagster as dg
import polars as pl

from fineline.assets.execution.definition import table
from fineline.assets.execution.tables import TableRun
from fineline.data_contracts import catalog
from fineline.resources.core.presentation.plots import bar_chart
from fineline.resources.core.storage.tables import TableOutput
from fineline.resources.governance.accounting.ledger import funnel, reasons
from fineline.resources.governance.accounting.version import VERSION


@table(
    catalog.RECORD_LEDGER,
    version=VERSION,
    checks={"sums_close": "Every row that ever came in stands in the ledger exactly once, and nothing else does."},
)
def record_ledger(run: TableRun) -> None:
    """Where every record that ever came in is now, or which rule dropped it and why.

    Guarantees: one entry for each row as it was read, counted before anything was kept or dropped.
    """
    from fineline.resources.governance.accounting.ledger import build, find_gaps

    raw = run.read(catalog.RAW_CORPUS.name, role="rows_read")
    dropping = [each for each in catalog.ASSETS if each.drops]
    drops = pl.concat([run.read(each.name, role="drops") for each in dropping])
    ledger = build(raw, drops, run.read(catalog.CURATED_CORPUS.name), run.read(catalog.SPLITS.name))
    gaps = dataclasses.asdict(find_gaps(ledger, raw, drops))
    run.check("sums_close", not any(gaps.values()), metadata=gaps)
    run.write(
        TableOutput(ledger, rows_in=raw.height),
        metadata={
            "funnel": dg.MetadataValue.md(bar_chart("From what came in to the splits", funnel(ledger), "records")),
            "drop reasons": dg.MetadataValue.md(bar_chart("Why records are in no split", reasons(ledger), "records")),
        },
    )
