"""What was forgotten on request: a certificate each, kept for ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from fineline.assets.execution.definition import asset
from fineline.assets.execution.tables import TableRun
from fineline.data_contracts import catalog
from fineline.resources.core.presentation.tables import markdown_table
from fineline.resources.core.recipe.sources import Source
from fineline.resources.core.storage.tables import TableOutput
from fineline.resources.governance.forgetting.version import VERSION


class Forget(dg.Config):
    """Which request to carry out; what it names stays in its file, ``requests/<request>.json``. Without one, all."""

    request: str | None = None


@asset(
    catalog.FORGETTING_CERTIFICATES,
    version=VERSION,
    owner="team:data-governance",
    checks={"nothing_remains": "Every file under the storage root was read again, and none holds what was forgotten."},
)
def forgetting_certificates(run: TableRun, config: Forget, sources: list[Source]) -> None:
    """One certificate for each request to forget: what was removed, which models saw it, and where it still is.

    Guarantees: it holds no personal data; what was forgotten is in no file under the storage root, and does not
    come in again; a request that was interrupted is completed by launching it again.
    """
    from fineline.resources.governance.forgetting.certificate import carry_out, certificates
    from fineline.resources.governance.forgetting.dagster_history import DagsterHistory
    from fineline.resources.governance.forgetting.request import finish, waiting

    history = DagsterHistory(run.context.instance, run.storage)
    requests = [config.request] if config.request else waiting(run.storage)
    for request in requests:
        every = carry_out(run.storage, run.pseudonym_key, sources, request, history, run.log.info)
        (row,) = every.filter(pl.col("request_id") == request).iter_rows(named=True)
        # Stored after each request, so that an interrupted execution loses no certificate.
        _write(run, every, {"request": request, "sample": dg.MetadataValue.md(_certificate(row))})
        if not row["remains"]:
            finish(run.storage, request)
    if not requests:
        _write(run, certificates(run.storage), {})


def _certificate(row: Mapping[str, Any]) -> str:
    """One certificate for people, a line for each of its parts."""
    removed = sum(each["rows"] for each in row["removed"])
    seen = [f"{each['model']} {each['records']:,}" for each in row["seen_by"]]
    lines = {
        "request": row["request_id"],
        "reason": row["reason"],
        "asked for by": row["asked_by"],
        "completed": f"{row['completed_at']:%Y-%m-%d %H:%M:%S} UTC",
        "records forgotten": row["records"],
        "rows removed": f"{removed:,} in {len(row['removed'])} tables",
        "files rewritten": row["files_rewritten"],
        "models that saw records": ", ".join(seen) or "none",
        "still outside, for you to clean": ", ".join(row["outside"]) or "nothing",
        "files read again": row["files_swept"],
        "files in which something remains": len(row["remains"]),
    }
    return markdown_table(["certificate", ""], [[name, value] for name, value in lines.items()])


def _write(run: TableRun, every: pl.DataFrame, shown: Mapping[str, Any]) -> None:
    left = every.filter(pl.col("remains").list.len() > 0)
    places = {row["request_id"]: row["remains"] for row in left.iter_rows(named=True)}
    found = f"of {every.height:,} requests {len(places):,} have left something: {', '.join(places) or 'none'}"
    run.check("nothing_remains", not places, found, {"remains in": places})
    run.write(TableOutput(every, rows_in=every.height), metadata=shown)
