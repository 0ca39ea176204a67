"""What was forgotten on request: a certificate each, kept for ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from fineline.assets.execution.definition import asset
from fineline.assets.execution.shown import frame_table
from fineline.assets.execution.tables import TableRun
from fineline.data_contracts import catalog
from fineline.resources.core.recipe.sources import Source
from fineline.resources.core.storage.tables import TableOutput
from fineline.resources.governance.forgetting.version import VERSION


class Forget(dg.Config):
    """The request that the job ``forget`` carries out; what it names stays in its file, ``requests/<request>.json``."""

    request: str | None = None


@asset(
    catalog.FORGETTING_CERTIFICATES,
    version=VERSION,
    owner="team:data-governance",
    checks={
        "nothing_remains": "Every file but those of models was read again, and none holds a form that was looked for."
    },
)
def forgetting_certificates(run: TableRun, config: Forget, sources: list[Source]) -> None:
    """One certificate for each request to forget: what was removed, which models saw it, and where it still is.

    Guarantees: it holds no personal data; no file under the storage root, weights of models apart, holds what was
    forgotten in a form that the certificate lists, and it does not come in again; a request that was interrupted is
    completed by launching it again. Only the job ``forget`` carries out a request, the one that its configuration
    names; any other run stores the certificates as they are.
    """
    from fineline.resources.governance.forgetting.certificate import carry_out, certificates
    from fineline.resources.governance.forgetting.dagster_history import DagsterHistory
    from fineline.resources.governance.forgetting.request import finish, named

    request = named(run.storage, run.context.run.job_name, config.request)
    if request is None:
        _write(run, certificates(run.storage), {})
        return
    history = DagsterHistory(run.context.instance, run.storage)
    every = carry_out(run.storage, run.pseudonym_key, sources, request, history, run.log.info)
    (row,) = every.filter(pl.col("request_id") == request).iter_rows(named=True)
    _write(run, every, {"request": request, "sample": _certificate(row)}, request)
    if not row["remains"]:
        finish(run.storage, request)


def _certificate(row: Mapping[str, Any]) -> dg.MetadataValue:
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
        "looked for": "; ".join(row["looked_for"]),
        "searched": "; ".join(row["searched"]),
        "files in which something remains": len(row["remains"]),
        "only resembles, for you to decide": "; ".join(row["resembles"]) or "nothing",
    }
    return frame_table(pl.DataFrame({"certificate": [*lines], "value": map(str, lines.values())}))


def _write(run: TableRun, every: pl.DataFrame, shown: Mapping[str, Any], request: str | None = None) -> None:
    """Store the certificates. A request is judged by itself: what an earlier one has left does not fail it."""
    left = every.filter(pl.col("remains").list.len() > 0)
    places = {row["request_id"]: row["remains"] for row in left.iter_rows(named=True)}
    found = f"of {every.height:,} requests {len(places):,} have left something: {', '.join(places) or 'none'}"
    run.check("nothing_remains", request not in places if request else not places, found, {"remains in": places})
    run.write(TableOutput(every, rows_in=every.height), metadata=shown)
