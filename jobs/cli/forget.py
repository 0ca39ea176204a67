"""The command ``fineline forget``: writes a request to forget, runs the job for it, and prints the certificate.

Dagster is imported inside the functions, since the command line imports this module to read its arguments.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fineline.data_contracts import catalog
from fineline.resources.core.storage.files import StorageError
from fineline.resources.core.storage.store import Storage

if TYPE_CHECKING:
    import dagster as dg

    from fineline.resources.governance.forgetting.request import Request
    from fineline.resources.project import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that describe a request to forget."""
    parser.add_argument("--request", required=True, metavar="ID", help="its id, such as R-17, which stays for ever")
    parser.add_argument("--reason", help="why, which stays in the certificate; without it a waiting request goes on")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--record", nargs="+", metavar="ID", help="records, by record_id")
    what.add_argument("--text", action="append", help="all records that contain this text; may be given several times")
    what.add_argument(
        "--text-file", metavar="FILE", help="the same, one text a line, out of the shell's history; - is standard input"
    )
    what.add_argument("--source", help="all records of a source")
    what.add_argument("--batch", metavar="NAME", help="all records of a batch, such as docs/part-1.jsonl, or its key")
    parser.add_argument("--yes", action="store_true", help="even if more than a hundredth of the corpus contains it")


def forget(project: Project, arguments: argparse.Namespace) -> str:
    """Carry out the request that the arguments describe, or a waiting one; returns its certificate as text.

    Raises StorageError or RunFailed where it was refused, or failed, or something remains, with what to do.
    """
    from fineline.jobs.definitions import build
    from fineline.jobs.runner import only_runner
    from fineline.resources.governance.forgetting.request import load, put

    storage = project.storage
    with only_runner(project) as instance:
        request = _request(arguments)
        if request is None:
            load(storage, arguments.request)
        else:
            put(storage, request)
        carry_out(build(), instance, project, arguments.request)
        return certificate(storage, arguments.request)


def carry_out(definitions: dg.Definitions, instance: dg.DagsterInstance, project: Project, request_id: str) -> None:
    """Run the job ``forget`` in this process for a waiting request. Raises RunFailed."""
    from fineline.jobs.runner import RUN_AGAIN, RunFailed, close_interrupted, explain
    from fineline.resources.core.orchestrator.runs import runner_tags
    from fineline.resources.governance.forgetting.request import JOB

    close_interrupted(instance)
    result = definitions.resolve_job_def(JOB).execute_in_process(
        instance=instance,
        run_config={
            "loggers": {"console": {}},
            "ops": {catalog.FORGETTING_CERTIFICATES.name: {"config": {"request": request_id}}},
        },
        tags=runner_tags(project.recipe.name),
        raise_on_error=False,
    )
    if not result.success:
        raise RunFailed(f"{explain(result)}\n{RUN_AGAIN}")


def certificate(storage: Storage, request_id: str) -> str:
    """The certificate of a request, as text for a terminal."""
    import polars as pl

    table = storage.scan(storage.require(catalog.FORGETTING_CERTIFICATES.name))
    (row,) = table.filter(pl.col("request_id") == request_id).collect().iter_rows(named=True)
    outside = f"{', '.join(row['outside'])}: clean these yourself" if row["outside"] else "nowhere"
    removed = ", ".join(f"{each['table']} {each['rows']:,}" for each in row["removed"])
    seen_by = ", ".join(f"{each['model']} ({each['records']:,}; train it again)" for each in row["seen_by"])
    lines = [
        f"Request {request_id}, {row['completed_at']:%Y-%m-%d %H:%M} UTC: {row['records']:,} records are forgotten.",
        f"  rows removed   {removed or 'none'}",
        f"  seen by        {seen_by or 'none'}",
        f"  still outside  {outside}",
        f"  searched       {row['files_swept']:,} files under {storage.root.location('')}",
        *(f"                 {files}" for files in row["searched"]),
        *(f"  looked for     {form}" for form in row["looked_for"]),
        "  result         nothing remains of these forms",
        *(f"  resembles      {place}: look at it; name what is to go in another request" for place in row["resembles"]),
    ]
    return "\n".join(lines)


def _request(arguments: argparse.Namespace) -> Request | None:
    from fineline.resources.governance.forgetting.request import Request

    named = (arguments.record, arguments.text, arguments.text_file, arguments.source, arguments.batch)
    if arguments.reason is None:
        if any(named):
            raise StorageError("a new request needs --reason, which stays in the certificate")
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


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{file} cannot be read as text: {type(error).__name__}") from None
