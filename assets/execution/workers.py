"""Model work in a process of its own, through Dagster Pipes: its memory goes back, its death is noticed."""

from __future__ import annotations

import json
import threading
import warnings
from pathlib import Path

import dagster as dg

from fineline.resources.core.orchestrator.internals import DagsterPipesExecutionError
from fineline.resources.models.worker.protocol import COMMAND, R, Task, clear, raise_model_error, read_result, to_plain

# Pipes asks its own message reader for a figure that Dagster calls a preview; users need no notice.
warnings.filterwarnings(
    "ignore", message="Function `PipesMessageReader.expected_writer_count`", category=dg.PreviewWarning
)


def run_worker(context: dg.AssetExecutionContext, task: Task[R]) -> R:
    """Run a task and return its result; its messages go to the run's log, its loss to the asset's metadata.

    Raises ModelError where the worker refused, with what to do.
    """
    output = Path(task.output)
    clear(output)
    done = threading.Event()
    follower = threading.Thread(target=_follow, args=(context, output / "curve.jsonl", done), daemon=True)
    follower.start()
    try:
        dg.PipesSubprocessClient().run(context=context, command=COMMAND, extras=to_plain(task))
    except DagsterPipesExecutionError:
        raise_model_error(output)
        raise
    finally:
        done.set()
        follower.join()
    return read_result(task)


def _follow(context: dg.AssetExecutionContext, curve: Path, done: threading.Event) -> None:
    """Each point of a growing loss curve becomes an observation of the asset, which the UI charts at once."""
    seen = 0
    while True:
        finished = done.wait(timeout=3.0)
        lines = curve.read_text(encoding="utf-8").splitlines() if curve.exists() else []
        for line in lines[seen:]:
            numbers = {name: value for name, value in json.loads(line).items() if isinstance(value, int | float)}
            context.log_event(dg.AssetObservation(context.asset_key, metadata=numbers))
        seen = len(lines)
        if finished:
            return
