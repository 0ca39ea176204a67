"""The journal of a request: each change, written before it is made, so that a killed attempt loses no count."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.forgetting.request import key_of


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

    def __init__(self, storage: Storage, request_id: str) -> None:
        self._root, self._key = storage.root, key_of(request_id, "journal")
        written = self._root.get(self._key)
        lines = written.content.splitlines() if written else []
        self.changes = [Change(**json.loads(line)) for line in lines]

    def write(self, change: Change) -> None:
        """Record a change before it is made."""
        if any((known.table, known.after) == (change.table, change.after) for known in self.changes):
            return
        self.changes.append(change)
        lines = "".join(json.dumps(asdict(each)) + "\n" for each in self.changes)
        self._root.put(self._key, lines.encode(), private=True)

    def newest(self, table: str, version: str) -> str:
        """The version that these changes have turned a table's version into."""
        for change in self.changes:
            if change.table == table and change.before == version:
                version = change.after
        return version
