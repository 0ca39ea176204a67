"""What a request has changed so far: written before each change, so that a killed attempt loses count of nothing."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.forgetting.request import request_path, write_privately


@dataclass(frozen=True)
class Change:
    """A table (or a batch of one) that goes from one data version to another and loses rows; files are rewritten."""

    table: str
    before: str
    after: str
    rows: int
    files: int


class Journal:
    """The changes of one request, in order, each once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.changes = [Change(**json.loads(line)) for line in lines]

    def write(self, change: Change) -> None:
        """Note a change that will be made next."""
        if any((known.table, known.after) == (change.table, change.after) for known in self.changes):
            return
        self.changes.append(change)
        write_privately(self.path, "".join(json.dumps(asdict(each)) + "\n" for each in self.changes).encode())

    def newest(self, table: str, version: str) -> str:
        """The version that a table's version has become by these changes."""
        for change in self.changes:
            if change.table == table and change.before == version:
                version = change.after
        return version


def journal_path(storage: Storage, request_id: str) -> Path:
    """Where the journal of a request lies."""
    return request_path(storage, request_id).with_suffix(".journal")
