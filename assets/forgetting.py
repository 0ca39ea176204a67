"""What was forgotten on request: a certificate each, kept for ever."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from fineline.assets.stages import TableStage
from fineline.assets.standards import checks, contract
from fineline.data_contracts.forgetting import ForgettingCertificate
from fineline.resources.project import Project
from fineline.resources.tables import Made


class Forget(dg.Config):
    """Which waiting request to carry out. What it names stays in its file, ``requests/<request>.json``."""

    request: str


@dg.asset(
    group_name="governance",
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
    stage = TableStage(context, project, ForgettingCertificate)
    with stage.storage.lock(stage.asset):
        yield from _certify(stage, config.request)


def _certify(stage: TableStage, request: str) -> Iterator[Any]:
    from fineline.resources.forgetting.certificate import carry_out
    from fineline.resources.forgetting.request import finish

    certified = carry_out(
        stage.storage,
        stage.project.pseudonym_key,
        stage.recipe.sources,
        request,
        stage.context.instance,
        stage.context.log.info,
    )
    row = certified.row
    stage.write(
        Made(certified.table, rows_in=certified.table.height),
        failed_checks=["nothing_remains"] if row["remains"] else [],
        metadata={
            "request": row["request_id"],
            "records forgotten": row["records"],
            "files rewritten": row["files_rewritten"],
            "models that saw them": ", ".join(sorted({each["model"] for each in row["seen_by"]})) or "none",
            "still outside": ", ".join(row["outside"]) or "none",
        },
    )
    if not row["remains"]:
        finish(stage.storage, request)
    yield from stage.results(
        dg.AssetCheckResult(
            check_name="nothing_remains",
            passed=not row["remains"],
            description=f"{row['files_swept']:,} files read; it remains in {len(row['remains']):,}",
            metadata={"remains in": row["remains"], "files read": row["files_swept"]},
        )
    )
