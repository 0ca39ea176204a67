"""What a worker process is given and returns: tasks, results, and the error that a user can mend. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pkgutil import resolve_name
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import Field

from fineline.resources.core.recipe.base import Section

Log = Callable[[str], None]
AbsolutePath = Annotated[
    str,
    Field(
        pattern=r"^(/|[A-Za-z]:\\)",
        description="A file or folder; a worker has no recipe folder to start from.",
    ),
]


class ModelError(Exception):
    """An error that a user can mend. ``message`` describes what is wrong, ``fix`` what to do about it."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(f"{message} {fix}")
        self.message = message
        self.fix = fix


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
