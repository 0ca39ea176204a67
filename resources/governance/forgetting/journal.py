"""The journal of a request: each change, written before it is made, so that a killed attempt loses no count."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.forgetting.request import request_path, write_privately


@dataclass(frozen=True)
class Change:
    """One rewritten table or batch: its label, its data versions, the rows that it loses, the files rewritten."""

    table: str
    before: str
    after: str
    rows: int
    files: int


class Journal:
    """The changes of one request in order, without repeats."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.changes = [Change(**json.loads(line)) for line in lines]

    def write(self, change: Change) -> None:
        """Record a change before it is made."""
        if any((known.table, known.after) == (change.table, change.after) for known in self.changes):
            return
        self.changes.append(change)
        write_privately(self.path, "".join(json.dumps(asdict(each)) + "\n" for each in self.changes).encode())

    def newest(self, table: str, version: str) -> str:
        """The version that these changes have turned a table's version into."""
        for change in self.changes:
            if change.table == table and change.before == version:
                version = change.after
        return version


def journal_path(storage: Storage, request_id: str) -> Path:
    """The file of a request's journal."""
    return request_path(storage, request_id).with_suffix(".journal")
