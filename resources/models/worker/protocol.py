"""What passes between the pipeline and a worker process: tasks, results, and errors that a user can mend.

A worker leaves ``result.json`` or ``error.json`` in the output folder of its task. Imports no torch.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any, ClassVar, Generic, TypeVar, cast

from pydantic import Field

from fineline.resources.core.recipe.base import Section
from fineline.resources.core.redaction import FinelineError, redacted

# The command line of a worker that reads its task from Dagster Pipes; the path of a task file may follow.
COMMAND = [sys.executable, "-m", "fineline.resources.models.worker"]
USER_ERROR = 3

Log = Callable[[str], None]
AbsolutePath = Annotated[
    str,
    Field(
        pattern=r"^(/|[A-Za-z]:\\)",
        description="A file or folder; a worker has no recipe folder to start from.",
    ),
]


class ModelError(FinelineError):
    """An error that a user can mend. ``message`` describes what is wrong, ``fix`` what to do about it."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(f"{message} {fix}")
        self.message = redacted(message)
        self.fix = redacted(fix)


class Result(Section):
    """What every task returns; ``seconds`` is the time of the task without the worker's start."""

    seconds: float = 0.0


R = TypeVar("R", bound=Result)


class Task(Section, Generic[R]):
    """A task for a worker, which returns an ``R`` and writes its files into the folder ``output``.

    ``runs`` names the function that does it in the worker, as ``module:function``; the function takes the task and a
    log, and its module may import torch. ``parallel_tokenizer`` gives tokenizers all cores, and ``threads`` limits
    the CPU threads of torch.
    """

    runs: ClassVar[str]
    result: ClassVar[type[Result]]
    parallel_tokenizer: ClassVar[bool] = False

    output: AbsolutePath
    threads: int | None = None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Take the class of the result from ``Task[…]``, so that it is named once."""
        for result in cls.__pydantic_generic_metadata__["args"]:
            cls.result = result

    @property
    def needs_network(self) -> bool:
        """Whether the worker may reach the Hugging Face hub."""
        return False


def to_plain(task: Task[Any]) -> dict[str, Any]:
    """A task as values for JSON: the import path of its class, and its fields."""
    kind = type(task)
    return {"task": f"{kind.__module__}:{kind.__qualname__}", "fields": task.model_dump(mode="json")}


def from_plain(plain: Mapping[str, Any]) -> Task[Any]:
    """The task that :func:`to_plain` described. Raises ValidationError for fields that do not fit."""
    kind: type[Task[Any]] = resolve_name(plain["task"])
    return kind.model_validate(plain["fields"])


def clear(output: Path) -> None:
    """Remove the result of an earlier run, so that it is never taken for this run's."""
    output.mkdir(parents=True, exist_ok=True)
    for name in ("result.json", "error.json"):
        (output / name).unlink(missing_ok=True)


def raise_model_error(output: Path) -> None:
    """Raise the ModelError that the worker left in its output folder, if it left one."""
    path = output / "error.json"
    if path.is_file():
        raise ModelError(**json.loads(path.read_text(encoding="utf-8")))


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
