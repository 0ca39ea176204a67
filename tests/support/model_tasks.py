"""Rows and files for tests of the model tasks, and a model small enough to train in a second."""

import json
from pathlib import Path
from typing import Any

import polars as pl
from support.tiny_model import SENTENCES

Row = dict[str, Any]


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
