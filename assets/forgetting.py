"""What was forgotten on request: a certificate each, kept for ever."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import polars as pl

from fineline.assets.execution.definition import GOVERNANCE, checks, contract
from fineline.assets.execution.tables import TableStage
from fineline.data_contracts.forgetting import ForgettingCertificate
from fineline.resources.core.presentation.tables import markdown_table
from fineline.resources.core.storage.tables import TableOutput
from fineline.resources.project import Project


class Forget(dg.Config):
    """Which request to carry out; what it names stays in its file, ``requests/<request>.json``. Without one, all."""

    request: str | None = None


@dg.asset(
    group_name=GOVERNANCE,
    kinds={"polars"},
    owners=["team:data-governance"],
    code_version="1",
    metadata=contract(ForgettingCertificate),
    check_specs=checks(
        "forgetting_certificates",
        nothing_remains="Every file under the storage root was read again, and none holds what was forgotten.",
    ),
)
def forgetting_certificates(context: dg.AssetExecutionContext, config: Forget, project: Project) -> Iterator[Any]:
    """One certificate for each request to forget: what was taken out, which models saw it, and where it still is.

    Guarantees: it holds no personal data; what was forgotten is in no file under the storage root, and does not
    come in again; a request that was interrupted is completed by launching it again.
    """
    from fineline.resources.governance.forgetting.certificate import certificates
    from fineline.resources.governance.forgetting.request import waiting

    stage = TableStage(context, project, ForgettingCertificate)
    with stage.storage.lock(stage.asset):
        requests = [config.request] if config.request else waiting(stage.storage)
        for request in requests:
            _carry_out(stage, request)
        if not requests:
            _store(stage, certificates(stage.storage))
        # Each wrote the whole table; the last is what it is now.
        del stage.written[:-1]
        yield from stage.results(_nothing_remains(certificates(stage.storage)))


def _carry_out(stage: TableStage, request: str) -> None:
    from fineline.resources.governance.forgetting.certificate import carry_out
    from fineline.resources.governance.forgetting.request import finish

    table = carry_out(
        stage.storage,
        stage.project.pseudonym_key,
        stage.recipe.sources,
        request,
        stage.context.instance,
        stage.context.log.info,
    )
    (row,) = table.filter(pl.col("request_id") == request).iter_rows(named=True)
    _store(stage, table, {"request": request, "sample": dg.MetadataValue.md(_certificate(row))})
    if not row["remains"]:
        finish(stage.storage, request)


def _certificate(row: Mapping[str, Any]) -> str:
    """One certificate for people, a line for each of its parts."""
    removed = sum(each["rows"] for each in row["removed"])
    seen = [f"{each['model']} {each['records']:,}" for each in row["seen_by"]]
    told = {
        "request": row["request_id"],
        "reason": row["reason"],
        "asked for by": row["asked_by"],
        "completed": f"{row['completed_at']:%Y-%m-%d %H:%M:%S} UTC",
        "records forgotten": row["records"],
        "rows removed": f"{removed:,} in {len(row['removed'])} tables",
        "files rewritten": row["files_rewritten"],
        "models that saw records": ", ".join(seen) or "none",
        "annotation server": row["annotation_server"],
        "still outside, for you to clean": ", ".join(row["outside"]) or "nothing",
        "files read again": row["files_swept"],
        "files in which something remains": len(row["remains"]),
    }
    return markdown_table(["certificate", ""], [[name, value] for name, value in told.items()])


def _store(stage: TableStage, table: pl.DataFrame, metadata: dict[str, Any] | None = None) -> None:
    failed = ["nothing_remains"] if (table["remains"].list.len() > 0).any() else []
    stage.write(TableOutput(table, rows_in=table.height), failed_checks=failed, metadata=metadata)


def _nothing_remains(table: pl.DataFrame) -> dg.AssetCheckResult:
    left = table.filter(pl.col("remains").list.len() > 0)
    places = {row["request_id"]: row["remains"] for row in left.iter_rows(named=True)}
    return dg.AssetCheckResult(
        check_name="nothing_remains",
        passed=not places,
        description=f"of {table.height:,} requests {len(places):,} have left something: {', '.join(places) or 'none'}",
        metadata={"remains in": places},
    )
