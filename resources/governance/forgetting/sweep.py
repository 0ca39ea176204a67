"""The sweep: every file under the storage root that still contains what was forgotten, of any kind of file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote

from fineline.data_contracts import catalog
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.root import Root
from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.forgetting.inspection import Inspection, Verdict
from fineline.resources.governance.forgetting.reading import DAMAGED, parts

# Requests are destroyed when they are done; the key and the locks hold nothing of a record.
_SKIPPED = (layout.REQUESTS, layout.PSEUDONYM_KEY, layout.LOCKS, ".lock")
WEIGHTS = ".safetensors"
_MOST_RECORDS = 5
# The endings that the certificate tells; any other may be a part of a name.
_KINDS = {
    *("parquet", "arrow", "csv", "tsv", "json", "jsonl", "yaml", "yml", "toml", "xml", "html", "md", "txt", "pdf"),
    *("db", "db-shm", "db-wal", "log", "out", "err", "npy", "py", "ipynb", "png", "svg"),
    *("gz", "bz2", "xz", "zip", "zst"),
}


@dataclass(frozen=True)
class Swept:
    """How many files were read, the places that still contain something, and those where something resembles it.

    ``searched`` lists for people what was read, and what was not.
    """

    files: int
    remains: list[str]
    resembles: list[str]
    searched: list[str]


def sweep(storage: Storage, texts: Sequence[str], others: Sequence[str] = ()) -> Swept:
    """Search every file under the storage root, and on its local disk, for texts in all their forms, and for others.

    Parquet files are decoded. A database is searched cell by cell and, for deleted rows, byte by byte. Other files are
    read as text. The weights of models are not searched, nor are files that equal one of the base model's, whose
    vocabulary has the words of any text.
    """
    inspection = Inspection(texts, others)
    given = {_digest(storage.root, key) for key in _keys(storage.root, layout.folder(catalog.BASE_MODEL.name))} - {None}
    every = [(root, key) for root in storage.roots for key in _keys(root)]
    read = [
        (root, key)
        for root, key in every
        if not key.endswith(WEIGHTS) and (not given or _digest(root, key) not in given)
    ]
    names = [unquote(key) for _, key in read]
    remains, resembles, named = [], [], Counter(inspection.each(names))
    for (root, key), name in zip(read, names, strict=True) if texts or others else ():
        verdict, records = _inspect(inspection, root, key)
        shown = name if inspection.each([name]) == [Verdict.NOTHING] else f"a file in {key.split('/')[0]}"
        if verdict is Verdict.HOLDS:
            remains.append(shown)
        elif verdict is Verdict.RESEMBLES:
            resembles.append(f"{shown}: {', '.join(records)}" if records else shown)
    if held := named[Verdict.HOLDS]:
        remains.append(f"{held} files whose name contains it: give the source file another name")
    if alike := named[Verdict.RESEMBLES]:
        resembles.append(f"{alike} files whose name resembles it")
    kinds = Counter(_kind(key) for _, key in read)
    searched = [f"{count:,} files of kind {kind}" for kind, count in sorted(kinds.items())]
    return Swept(
        len(read), remains, resembles, [*searched, f"not searched: {len(every) - len(read):,} files of models"]
    )


def _kind(key: str) -> str:
    """The kind of a file by its ending, without any part of its name."""
    ending = PurePosixPath(key).suffix.removeprefix(".").lower()
    return ending if ending in _KINDS else "other" if ending else "none"


def _inspect(inspection: Inspection, root: Root, key: str) -> tuple[Verdict, list[str]]:
    """The worst verdict on any part of a file, and some records that resemble what was sought."""
    worst, records = Verdict.NOTHING, list[str]()
    try:
        for part in parts(root, key):
            verdicts = inspection.each(part["text"].to_list())
            worst = max(worst, *verdicts, Verdict.NOTHING)
            if worst is Verdict.HOLDS:
                break
            if "record_id" in part.columns and len(records) < _MOST_RECORDS:
                found = zip(part["record_id"], verdicts, strict=True)
                records += [record_id for record_id, verdict in found if verdict is Verdict.RESEMBLES]
    except FileNotFoundError:
        return Verdict.NOTHING, []
    except DAMAGED:
        return Verdict.HOLDS, []
    return worst, records[:_MOST_RECORDS]


def _digest(root: Root, key: str) -> str | None:
    """The hash of a file, or None if a running service removed it meanwhile."""
    try:
        return root.digest(key)
    except FileNotFoundError:
        return None


def _keys(root: Root, folder: str = "") -> Iterator[str]:
    for entry in root.list(folder):
        if entry.key.split("/")[0] not in _SKIPPED:
            yield entry.key
