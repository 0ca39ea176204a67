"""The command ``fineline forget``: writes a request to forget, and runs the job that carries it out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from fineline.jobs.definitions import build
from fineline.jobs.runner import RunFailed, close_interrupted, explain, only_runner, prepare_home
from fineline.resources.core.orchestrator.runs import runner_tags
from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.forgetting.errors import ForgettingError
from fineline.resources.governance.forgetting.request import Request, load, put
from fineline.resources.project import Project


def forget(project: Project, arguments: argparse.Namespace) -> str:
    """Carry out the request that the arguments make, or that waits; returns what the certificate says.

    Raises:
        StorageError, RunFailed: it was refused, failed, or something remains; the message says what to do.
    """
    storage = project.storage
    with only_runner(storage):
        request = _request(arguments)
        if request is None:
            load(storage, arguments.request)
        else:
            put(storage, request)
        prepare_home(project)
        with dg.DagsterInstance.get() as instance:
            carry_out(build(), instance, project, arguments.request)
        return certificate(storage, arguments.request)


def carry_out(definitions: dg.Definitions, instance: dg.DagsterInstance, project: Project, request_id: str) -> None:
    """Run the job ``forget`` in this process for a request that waits. Raises RunFailed."""
    close_interrupted(instance)
    result = definitions.resolve_job_def("forget").execute_in_process(
        instance=instance,
        run_config={
            "loggers": {"console": {}},
            "ops": {"forgetting_certificates": {"config": {"request": request_id}}},
        },
        tags=runner_tags(project.recipe.name),
        raise_on_error=False,
    )
    if not result.success:
        raise RunFailed(explain(result))


def certificate(storage: Storage, request_id: str) -> str:
    """The certificate of a request, in lines for people."""
    table = pl.read_parquet(storage.file(storage.require("forgetting_certificates"), "data"))
    (row,) = table.filter(pl.col("request_id") == request_id).iter_rows(named=True)
    outside = f"{', '.join(row['outside'])}: clean these yourself" if row["outside"] else "nowhere"
    lines = [
        f"Request {request_id}, {row['completed_at']:%Y-%m-%d %H:%M} UTC: {row['records']:,} records are forgotten.",
        f"  rows removed   {_listed(row['removed'], '{table} {rows:,}')}",
        f"  seen by        {_listed(row['seen_by'], '{model} ({records:,}; train it anew)')}",
        f"  still outside  {outside}",
        f"  looked for in  {row['files_swept']:,} files under {storage.root}: nothing remains",
    ]
    return "\n".join(lines)


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ForgettingError(f"{file} cannot be read as text: {type(error).__name__}") from None


def _listed(rows: list[dict[str, Any]], form: str) -> str:
    return ", ".join(form.format(**row) for row in rows) or "none"


def _request(arguments: argparse.Namespace) -> Request | None:
    named = (arguments.record, arguments.text, arguments.text_file, arguments.source, arguments.batch)
    if arguments.reason is None:
        if any(named):
            raise ForgettingError("--reason says why, and stays in the certificate; it is needed for a new request")
        return None
    texts = arguments.text or []
    if arguments.text_file:
        texts = [line for line in _read(arguments.text_file).splitlines() if line.strip()]
    return Request(
        request_id=arguments.request,
        reason=arguments.reason,
        records=arguments.record or [],
        texts=texts,
        source=arguments.source,
        batch=arguments.batch,
        confirmed=arguments.yes,
    )
