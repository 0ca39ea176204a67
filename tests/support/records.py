"""Small canonical records for tests."""

import hashlib
from typing import Any

import polars as pl
from support.hashes import content_hash

from fineline.data_contracts.records import Record


def record(text: str = "A plain answer with some words.", **values: Any) -> dict[str, Any]:
    question = values.pop("question", f"What about {text[:20]}?")
    row = {
        "record_id": hashlib.md5(f"{question}{text}{values}".encode(), usedforsecurity=False).hexdigest(),
        "source": "notes",
        "batch": "notes/1",
        "kind": "chat",
        "prompt": [{"role": "user", "content": question}],
        "completion": [{"role": "assistant", "content": text}],
        "rejected": None,
        "tools": None,
        "label": None,
        "group": None,
        "licence": "CC0-1.0",
        "metadata": "{}",
    }
    return {**row, **values}


def records(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=Record.create_empty().schema)


def curated_record(text: str, name: str, *, cluster: str | None = None, **values: Any) -> dict[str, Any]:
    """A plain text that passed every rule; its id and its cluster are hashes of names."""
    plain = {"record_id": content_hash(name), "source": "corpus", "batch": "corpus/part", "kind": "text", "prompt": []}
    named = content_hash(name if cluster is None else cluster)
    return {**record(text, **plain, **values), "replacements": 0, "cluster": named, "family": named}
