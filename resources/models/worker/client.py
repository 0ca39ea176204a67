"""The client half: starts a worker, follows it and reads what it answered. Imports no torch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import overload

from fineline.resources.models.worker import tasks as s
from fineline.resources.models.worker.errors import ModelError

Log = Callable[[str], None]
USER_ERROR = 3


def command(spec_path: Path | None = None) -> list[str]:
    """The worker's command line. Without a spec file the worker reads its spec from Dagster Pipes."""
    module = [sys.executable, "-m", "fineline.resources.models.worker"]
    return module if spec_path is None else [*module, str(spec_path)]


def extras(spec: s.Spec) -> dict[str, object]:
    """What Dagster Pipes hands to the worker: the task's name and its spec."""
    plain = spec.model_dump(mode="json")
    return {"task": plain["task"], "spec": plain}


def clear(output: Path) -> None:
    """Remove the answer of an earlier run, so that it is never taken for this one's."""
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


@overload
def read_result(spec: s.PrepareBase) -> s.PreparedBase: ...
@overload
def read_result(spec: s.CountTokens) -> s.TokenCounts: ...
@overload
def read_result(spec: s.Train) -> s.Trained: ...
@overload
def read_result(spec: s.Generate) -> s.Generated: ...
@overload
def read_result(spec: s.Evaluate) -> s.Evaluated: ...
@overload
def read_result(spec: s.MergeCheck) -> s.MergeChecked: ...
def read_result(spec: s.Spec) -> s.Result:
    """What the worker answered to this spec.

    Raises:
        ModelError: the worker refused; the message says what to do.
        FileNotFoundError: the worker has not answered.
    """
    output = Path(spec.output)
    raise_model_error(output)
    text = (output / "result.json").read_text(encoding="utf-8")
    return s.RESULTS[spec.model_dump()["task"]].model_validate_json(text)


@overload
def run_task(spec: s.PrepareBase, *, log: Log | None = None) -> s.PreparedBase: ...
@overload
def run_task(spec: s.CountTokens, *, log: Log | None = None) -> s.TokenCounts: ...
@overload
def run_task(spec: s.TrainPretraining, *, log: Log | None = None) -> s.Trained: ...
@overload
def run_task(spec: s.TrainSft, *, log: Log | None = None) -> s.Trained: ...
@overload
def run_task(spec: s.TrainDpo, *, log: Log | None = None) -> s.Trained: ...
@overload
def run_task(spec: s.Generate, *, log: Log | None = None) -> s.Generated: ...
@overload
def run_task(spec: s.Evaluate, *, log: Log | None = None) -> s.Evaluated: ...
@overload
def run_task(spec: s.MergeCheck, *, log: Log | None = None) -> s.MergeChecked: ...
def run_task(spec: s.AnySpec, *, log: Log | None = None) -> s.Result:
    """Run a task in a worker of its own and wait for it; each line that it writes goes to ``log``.

    Raises:
        ModelError: the worker refused; the message says what to do.
        subprocess.CalledProcessError: the worker broke; ``output`` holds the end of what it wrote.
    """
    output = Path(spec.output)
    clear(output)
    spec_path = output / "spec.json"
    spec_path.write_text(spec.model_dump_json(indent=2), encoding="utf-8")
    lines: list[str] = []
    with subprocess.Popen(
        command(spec_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    ) as worker:
        assert worker.stdout is not None
        for line in worker.stdout:
            lines.append(line.rstrip("\n"))
            if log is not None:
                log(lines[-1])
    if worker.returncode not in (0, USER_ERROR):
        raise subprocess.CalledProcessError(worker.returncode, worker.args, output="\n".join(lines[-60:]))
    return read_result(spec)
