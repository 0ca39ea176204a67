"""Workers for the tests of engines: what a process imports must be importable there."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Squares:
    """Squares numbers, the even ones slowly, and notes in a folder that it was built and left, and its units."""

    folder: Path
    seconds: float = 0.0

    def __call__(self) -> "Squaring":
        note(self.folder / "built")
        return Squaring(self.folder, self.seconds)


@dataclass
class Squaring:
    folder: Path
    seconds: float

    def __enter__(self) -> "Squaring":
        return self

    def __exit__(self, *_: object) -> None:
        note(self.folder / "left")

    def __call__(self, unit: int) -> int:
        note(self.folder / "units")
        time.sleep(self.seconds * (unit % 2 == 0))
        return unit**2


@dataclass(frozen=True)
class Answering:
    """Calls each unit, which is a module-level function."""

    def __call__(self) -> Callable[[Callable[[], Any]], Any]:
        return lambda unit: unit()


class Refusing:
    """A factory that fails."""

    def __call__(self) -> Callable[[int], int]:
        raise LookupError("the model is not installed")


class Particular(Exception):
    """An error that pickle cannot make again."""

    def __init__(self, reason: str, number: int) -> None:
        super().__init__(f"{reason} {number}")


@dataclass(frozen=True)
class KilledOnce:
    """A unit whose process is killed the first time, in any process."""

    folder: Path

    def __call__(self) -> str:
        if not (self.folder / "killed").exists():
            (self.folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "done"


def killed_always() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fails_with_cause() -> None:
    try:
        raise ConnectionResetError(104, "reset")
    except ConnectionResetError as error:
        raise ValueError("no such record") from error


def fails_particularly() -> None:
    raise Particular("limit", 3)


def gives_what_cannot_be_sent() -> Any:
    return threading.Lock()


def process() -> int:
    return os.getpid()


def limits() -> tuple[str | None, int]:
    import polars as pl

    return os.environ.get("OMP_NUM_THREADS"), pl.thread_pool_size()


def sleeps() -> int:
    time.sleep(600)
    return 0


def note(path: Path) -> None:
    with path.open("a") as file:
        file.write(f"{os.getpid()}\n")
