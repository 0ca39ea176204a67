"""The ledger: where every record is."""

from __future__ import annotations

from dataclasses import asdict

import dagster as dg
import polars as pl

from fineline.assets.execution.definition import asset
from fineline.assets.execution.tables import TableRun
from fineline.data_contracts import catalog
from fineline.resources.core.presentation.plots import bar_chart
from fineline.resources.core.storage.tables import TableOutput
from fineline.resources.governance.accounting.ledger import Gaps, accounts, funnel, reasons, tally
from fineline.resources.governance.accounting.version import VERSION


@asset(
    catalog.RECORD_LEDGER,
    version=VERSION,
    checks={"sums_close": "Every row that was ever read stands in the ledger exactly once, and nothing else does."},
)
def record_ledger(run: TableRun) -> None:
    """Where every record that was ever read is now, or which rule dropped it and why.

    Guarantees: one entry for each row as it was read, counted before anything was kept or dropped.
    """
    gaps, parts, tallies = Gaps(), [], []
    for account in accounts(run.scan, run.batches):
        gaps += account.gaps()
        tallies.append(tally(account.entries.lazy()))
        parts.append(run.store_part(TableOutput(account.entries, rows_in=account.rows_read.height), account.batch))
    run.check("sums_close", gaps == Gaps(), metadata=asdict(gaps))
    tallied = pl.concat(tallies)
    run.write(
        parts,
        metadata={
            "funnel": dg.MetadataValue.md(bar_chart("From the rows read to the splits", funnel(tallied), "records")),
            "drop reasons": dg.MetadataValue.md(bar_chart("Why records are in no split", reasons(tallied), "records")),
        },
    )
