"""Rows, files and stages for tests of the model tasks, and a worker to run them in."""

import json
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from support.tiny_model import SENTENCES

from fineline.resources.core.recipe.training import DpoStage, PretrainingStage, SftStage
from fineline.resources.models.worker.protocol import COMMAND, USER_ERROR, R, Task, clear, read_result, to_plain

Row = dict[str, Any]
sft_stage = partial(SftStage, method="sft")
dpo_stage = partial(DpoStage, method="dpo")
pretraining_stage = partial(PretrainingStage, method="pretraining")


def write_task(task: Task[Any]) -> Path:
    """The task's file in its output folder, which is made."""
    clear(Path(task.output))
    path = Path(task.output) / "task.json"
    path.write_text(json.dumps(to_plain(task)))
    return path


def run_task(task: Task[R], log: Callable[[str], None] = lambda line: None) -> R:
    """Run a task in a worker of its own; each line that it writes goes to ``log``."""
    done = subprocess.run([*COMMAND, write_task(task)], capture_output=True, text=True, encoding="utf-8")
    for line in done.stdout.splitlines():
        log(line)
    if done.returncode not in (0, USER_ERROR):
        raise subprocess.CalledProcessError(done.returncode, done.args, done.stdout, done.stderr)
    return read_result(task)


def message(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def chats(count: int = 24) -> list[Row]:
    return [
        {
            "prompt": message("user", f"What is item {at}? {SENTENCES[at % 5]}"),
            "completion": message("assistant", f"Item {at} is {SENTENCES[(at + 1) % 5]}"),
        }
        for at in range(count)
    ]


def preferences(count: int = 24) -> list[Row]:
    return [
        {"prompt": row["prompt"], "chosen": row["completion"], "rejected": message("assistant", f"I do not know {at}.")}
        for at, row in enumerate(chats(count))
    ]


def texts(count: int = 24) -> list[Row]:
    return [{"text": SENTENCES[at % 5] * 2} for at in range(count)]


def write_jsonl(path: Path, rows: list[Row]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def write_parquet(path: Path, rows: list[Row], **columns: Any) -> str:
    frame = pl.DataFrame([{"record_id": f"{at:032x}", **columns, **row} for at, row in enumerate(rows)])
    frame.write_parquet(path)
    return str(path)
