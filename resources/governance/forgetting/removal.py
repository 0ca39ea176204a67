"""Taking records out of the stored tables, in place: what stays is not made anew, and every sum still closes."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from fineline.data_contracts.accounting import FORGOTTEN
from fineline.resources.core.storage.files import file_digest, joint_digest, remove_leftovers, write_atomically
from fineline.resources.core.storage.inventory import folders, in_order, parts
from fineline.resources.core.storage.store import Manifest, Storage, batch_of
from fineline.resources.core.storage.table_files import ParquetParts
from fineline.resources.core.storage.tables import dropped, jsonl_bytes
from fineline.resources.governance.forgetting.errors import CERTIFICATES
from fineline.resources.governance.forgetting.journal import Change, Journal
from fineline.resources.governance.forgetting.sweep import says
from fineline.resources.governance.forgetting.texts import blanked, says_any, strings, text_columns
from fineline.resources.planning.inputs import PER_BATCH, label

LEDGER = "record_ledger"
LEDGER_ORDER = ["batch", "record_id", "copy", "place", "rule", "detail"]


@dataclass(frozen=True)
class Targets:
    """What goes: records, by their ``tombstones``, and rows that say one of the ``needles``."""

    tombstones: Mapping[str, str]
    needles: Sequence[str]

    def taken(self, frame: pl.DataFrame) -> pl.Series:
        """Which rows go: those of the records (without a record_id, those that name one), and those that say it."""
        named = ["record_id"] if "record_id" in frame.columns else identifiers(frame.schema)
        gone = frame.select(pl.any_horizontal(pl.lit(False), *(self.is_one(name) for name in named)).alias("gone"))
        return gone["gone"] | says_any(strings(frame), self.needles)

    def renamed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """With tombstones where rows that stay name a record, such as the one that stood for their cluster."""
        named = [name for name in identifiers(frame.schema) if frame.select(self._names_one(name).any()).item()]
        ids, instead = list(self.tombstones), list(self.tombstones.values())
        return frame.with_columns(pl.col(name).str.replace_many(ids, instead) for name in named)

    def looked_at(self, path: Path) -> list[str]:
        """The columns of a file by which it is told whether anything of it goes; reading the others would take time."""
        schema = pl.Schema(pl.read_parquet_schema(path))
        return text_columns(schema) if self.needles else identifiers(schema)

    def touches(self, frame: pl.DataFrame) -> bool:
        """Whether anything of a table would change."""
        named = [self._names_one(name).any() for name in identifiers(frame.schema)]
        return frame.select(pl.any_horizontal(pl.lit(False), *named)).item() or bool(self.taken(frame).any())

    def is_one(self, column: str) -> pl.Expr:
        """Whether a column names one of the records."""
        return pl.col(column).is_in(list(self.tombstones)).fill_null(False)

    def _names_one(self, column: str) -> pl.Expr:
        """The same, or whether its text does, as the detail of a drop that says which record was similar."""
        if not self.tombstones:
            return pl.lit(False)
        return pl.col(column).str.contains_any(list(self.tombstones)).fill_null(False)


def identifiers(schema: pl.Schema) -> list[str]:
    """The columns that may name a record."""
    return [name for name, kind in schema.items() if kind == pl.String]


def remove(storage: Storage, targets: Targets, journal: Journal, log: Callable[[str], None]) -> None:
    """Take the targets out of every stored table, upstream ones first; killed at any moment, it can be done again.

    Tables of a batch that follow another keep following it, so nothing is made anew that stays the same. Merged
    tables still name what they were made from, so they are made anew with what is left.
    """
    for asset in in_order(storage):
        if not _holds_tables(storage, asset):
            continue  # A model, which may be in training; the sweep looks at what is stored of it.
        with storage.lock(asset):
            for folder in folders(storage, asset):
                _clean(storage, asset, folder, targets)
                manifest = storage.manifest(asset, batch_of(folder))
                if manifest is not None and "data" in manifest.files:
                    _remove_from(storage, _following(manifest, journal), manifest, targets, journal, log)


def _holds_tables(storage: Storage, asset: str) -> bool:
    """Whether an asset is of tables; certificates, which are kept for ever, name nothing that is forgotten."""
    stored = [storage.manifest(asset, batch_of(folder)) for folder in folders(storage, asset)]
    left = any(path.is_file() for folder in folders(storage, asset) for path in folder.iterdir())
    return asset != CERTIFICATES and (any("data" in m.files for m in stored if m) or (left and not any(stored)))


def _clean(storage: Storage, asset: str, folder: Path, targets: Targets) -> None:
    """Remove what no manifest names: what killed runs left, and of a table that was set aside what says it."""
    # Also where a reader keeps what is old: nobody reads what is unfinished.
    remove_leftovers(folder)
    if storage.manifest(asset, batch_of(folder)) is not None:
        storage.remove_old(asset, batch_of(folder))
        return
    for path in folder.iterdir():
        if path.is_file() and says(path, [*targets.tombstones, *targets.needles]):
            path.unlink()


def _following(manifest: Manifest, journal: Journal) -> Manifest:
    """With the new versions of the same batch upstream, where only forgetting changed them."""
    if manifest.asset not in PER_BATCH:
        return manifest
    inputs = {name: journal.newest(name, version) for name, version in manifest.inputs.items()}
    return manifest.model_copy(update={"inputs": inputs})


def _remove_from(
    storage: Storage,
    manifest: Manifest,
    stored: Manifest,
    targets: Targets,
    journal: Journal,
    log: Callable[[str], None],
) -> None:
    tables = {role: storage.file(manifest, role) for role, name in manifest.files.items() if name.endswith(".parquet")}
    touched = {role for role, path in tables.items() if any(map(targets.touches, parts(path, targets.looked_at(path))))}
    facts = blanked(manifest.facts, [*targets.tombstones, *targets.needles])
    if not touched and facts == manifest.facts:
        if manifest != stored:
            storage.commit(manifest)
        return
    with ParquetParts(storage.folder(manifest.asset, manifest.batch)) as written:
        if manifest.asset == "raw_corpus":
            lost = _rewrite_arrived(tables, targets, written)
        else:
            lost = _rewrite(manifest.asset, {role: tables[role] for role in touched}, targets, written)
        files = written.finish()
    digests = {role: digest for role, (_, digest) in files.items()}
    version = joint_digest(*(digests.get(role) or file_digest(tables[role]) for role in ("data", "drops")))[:16]
    exports = _exports(storage, manifest, targets, tables["data"])
    changed = manifest.model_copy(
        update={
            **_sums(manifest, lost),
            "data_version": version,
            "files": manifest.files
            | {role: name for role, (name, _) in files.items()}
            | {role: name for role, (name, _) in exports.items()},
            "facts": facts,
        }
    )
    name = label(manifest.asset, manifest.batch)
    journal.write(Change(name, manifest.data_version, version, lost["rows"], len(files) + len(exports)))
    for exported, content in exports.values():
        write_atomically(storage.folder(manifest.asset, manifest.batch) / exported, content)
    storage.commit(changed)
    log(f"{name}: {lost['rows']:,} rows removed")


def _sums(manifest: Manifest, lost: Counter[str]) -> dict[str, int]:
    """A manifest's counts after a table lost rows; what is still counted as a drop came in as before."""
    counts = {
        "rows": (manifest.rows or 0) - lost["data"],
        "dropped": manifest.dropped - lost["drops"],
        "quarantined": manifest.quarantined - lost["quarantine"],
    }
    return {**counts, "rows_in": (manifest.rows_in or 0) - lost["data"] - lost["drops"] - lost["quarantine"]}


def _rewrite(asset: str, tables: Mapping[str, Path], targets: Targets, written: ParquetParts) -> Counter[str]:
    """Write tables without what goes; returns how many rows each role lost, of drops those that were no quarantine."""
    lost: Counter[str] = Counter()
    for role, path in tables.items():
        written.append(role, pl.scan_parquet(path).head(0).collect())
        for part in parts(path):
            gone = targets.taken(part)
            rest, removed = targets.renamed(part.filter(~gone)), part.filter(gone)
            if asset == LEDGER and role == "data":
                written.append(role, pl.concat([rest, _ledger_lines(removed, targets)]).sort(LEDGER_ORDER))
                continue
            written.append(role, rest)
            lost["rows"] += removed.height
            lost[role] += removed.filter(pl.col("fate") == "dropped").height if role == "drops" else removed.height
    return lost


def _rewrite_arrived(tables: Mapping[str, Path], targets: Targets, written: ParquetParts) -> Counter[str]:
    """Write the tables of a batch as it came in: where a record was kept, in quarantine or a repeat is now a drop."""
    lost = _rewrite("raw_corpus", {role: tables[role] for role in ("data", "quarantine")}, targets, written)
    drops = pl.read_parquet(tables["drops"])
    stay = drops.filter(~targets.is_one("record_id"))
    came = []
    written.append("rows_read", pl.scan_parquet(tables["arrivals"]).head(0).collect())
    for part in parts(tables["rows_read"]):
        arrived = part.with_columns(pl.col("record_id").replace(dict(targets.tombstones)))
        came.append(
            dropped(arrived.filter(part.select(targets.is_one("record_id"))["record_id"]), "raw_corpus", FORGOTTEN)
        )
        written.append("rows_read", arrived)
    now = pl.concat([stay, *came]).sort("batch", "record_id", "rule")
    written.append("drops", now)
    before, after = (table.filter(pl.col("fate") == "dropped").height for table in (drops, now))
    lost["drops"] = before - after
    return lost


def _ledger_lines(removed: pl.DataFrame, targets: Targets) -> pl.DataFrame:
    """What the ledger says of forgotten rows, until it is made anew and says the same."""
    return removed.with_columns(
        pl.col("record_id").replace(dict(targets.tombstones)),
        fate=pl.lit("dropped", removed.schema["fate"]),
        place=pl.lit("raw_corpus/drops"),
        rule=pl.lit(FORGOTTEN),
        detail=pl.lit(None, pl.String),
    )


def _exports(storage: Storage, manifest: Manifest, targets: Targets, data: Path) -> dict[str, tuple[str, bytes]]:
    """Name and content, by role, of the files for other programs that lose lines with the rows that go."""
    exports = {role: name for role, name in manifest.files.items() if name.endswith(".jsonl")}
    if not exports:
        return {}
    gone = pl.concat([part.filter(targets.taken(part)) for part in parts(data)] or [pl.read_parquet(data)])
    changed = {}
    for role in exports:
        path = storage.file(manifest, role)
        lines = path.read_bytes().splitlines(keepends=True)
        columns = list(json.loads(lines[0])) if lines else []
        forgotten = set(jsonl_bytes(gone.select(columns)).splitlines(keepends=True))
        rest = [line for line in lines if line not in forgotten]
        if len(rest) < len(lines):
            content = b"".join(rest)
            changed[role] = (f"{role}-{hashlib.sha256(content).hexdigest()[:16]}.jsonl", content)
    return changed
