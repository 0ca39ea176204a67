"""The worker's command line, and reading what a worker left in its output folder. Imports no torch."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import cast

from fineline.resources.models.worker.protocol import ModelError, R, Task

USER_ERROR = 3


def command(task_file: Path | None = None) -> list[str]:
    """The worker's command line. Without a task file the worker reads its task from Dagster Pipes."""
    module = [sys.executable, "-m", "fineline.resources.models.worker"]
    return module if task_file is None else [*module, str(task_file)]


def clear(output: Path) -> None:
    """Remove the result of an earlier run, so that it is never taken for this run's."""
    output.mkdir(parents=True, exist_ok=True)
    for name in ("result.json", "error.json"):
        (output / name).unlink(missing_ok=True)


def raise_model_error(output: Path) -> None:
    """Raise the error that the worker left in its output folder, if it left one.

    Raises:
        ModelError: with the worker's message and what to do about it.
    """
    path = output / "error.json"
    if path.is_file():
        error = json.loads(path.read_text(encoding="utf-8"))
        raise ModelError(error["message"], error["fix"])


def read_result(task: Task[R]) -> R:
    """The result that the worker left for this task.

    Raises:
        ModelError: the worker refused the task; the message says what to do.
        FileNotFoundError: the worker has not finished.
    """
    output = Path(task.output)
    raise_model_error(output)
    text = (output / "result.json").read_text(encoding="utf-8")
    return cast("R", task.result.model_validate_json(text))
