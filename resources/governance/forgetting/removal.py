"""Removal of records from stored tables: only the files that hold them are rewritten, and every sum still closes."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from fineline.data_contracts import catalog
from fineline.data_contracts.accounting import FORGOTTEN, LEDGER_ORDER
from fineline.resources.core.storage.files import file_digest, joint_digest, remove_leftovers, write_atomically
from fineline.resources.core.storage.inventory import folders, in_order, parts
from fineline.resources.core.storage.store import Manifest, Storage, batch_of
from fineline.resources.core.storage.table_files import ParquetParts
from fineline.resources.core.storage.tables import dropped, jsonl_bytes
from fineline.resources.governance.forgetting.journal import Change, Journal
from fineline.resources.governance.forgetting.sweep import file_contains
from fineline.resources.governance.forgetting.texts import blanked, contains_any, strings, text_columns

_FIRST = catalog.RAW_CORPUS.name


@dataclass(frozen=True)
class Targets:
    """What to remove: records, with their ``tombstones``, and rows that contain one of the ``needles``."""

    tombstones: Mapping[str, str]
    needles: Sequence[str]

    def taken(self, frame: pl.DataFrame) -> pl.Series:
        """Whether each row goes: a row of one of the records, or one that contains a needle.

        A table without the column record_id loses the rows that name one of the records in any column.
        """
        named = ["record_id"] if "record_id" in frame.columns else identifiers(frame.schema)
        gone = frame.select(pl.any_horizontal(pl.lit(False), *(self.is_one(name) for name in named)).alias("gone"))
        return gone["gone"] | contains_any(strings(frame), self.needles)

    def renamed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with tombstones where rows that stay name a record, such as the representative of a cluster."""
        named = [name for name in identifiers(frame.schema) if frame.select(self._names_one(name).any()).item()]
        ids, instead = list(self.tombstones), list(self.tombstones.values())
        return frame.with_columns(pl.col(name).str.replace_many(ids, instead) for name in named)

    def searched(self, path: Path) -> list[str]:
        """The columns of a file that show whether it changes; reading the others would take time."""
        schema = pl.Schema(pl.read_parquet_schema(path))
        return text_columns(schema) if self.needles else identifiers(schema)

    def touches(self, frame: pl.DataFrame) -> bool:
        """Whether a table would change."""
        named = [self._names_one(name).any() for name in identifiers(frame.schema)]
        return frame.select(pl.any_horizontal(pl.lit(False), *named)).item() or bool(self.taken(frame).any())

    def is_one(self, column: str) -> pl.Expr:
        """Whether a column equals the record_id of one of the records."""
        return pl.col(column).is_in(list(self.tombstones)).fill_null(False)

    def _names_one(self, column: str) -> pl.Expr:
        """Whether a column's text contains one of the record_ids, as the detail of a drop does for a similar record."""
        if not self.tombstones:
            return pl.lit(False)
        return pl.col(column).str.contains_any(list(self.tombstones)).fill_null(False)


def identifiers(schema: pl.Schema) -> list[str]:
    """The columns that may name a record."""
    return [name for name, kind in schema.items() if kind == pl.String]


def remove(storage: Storage, targets: Targets, journal: Journal, log: Callable[[str], None]) -> None:
    """Remove the targets from every stored table, upstream ones first; after a kill, call it again.

    A per-batch table names the new version of its upstream, so it stays current. A merged table still names the
    versions that it was made from, so the next run rebuilds it from the remaining records.
    """
    for asset in in_order(storage):
        if not _holds_tables(storage, asset):
            continue  # A model, which may be in training; the sweep searches its files.
        with storage.lock(asset):
            for folder in folders(storage, asset):
                _clean(storage, asset, folder, targets)
                manifest = storage.manifest(asset, batch_of(folder))
                if manifest is not None and "data" in manifest.files:
                    _remove_from(storage, _following(manifest, journal), manifest, targets, journal, log)


def _holds_tables(storage: Storage, asset: str) -> bool:
    """Whether an asset has tables to rewrite. Certificates stay for ever and name no record."""
    stored = [storage.manifest(asset, batch_of(folder)) for folder in folders(storage, asset)]
    left = any(path.is_file() for folder in folders(storage, asset) for path in folder.iterdir())
    return asset != catalog.FORGETTING_CERTIFICATES.name and (
        any("data" in m.files for m in stored if m) or (left and not any(stored))
    )


def _clean(storage: Storage, asset: str, folder: Path, targets: Targets) -> None:
    """Remove the leftovers of killed runs, and the files of a table without manifest that contain a target."""
    # A reader keeps old files, but nobody reads unfinished ones.
    remove_leftovers(folder)
    if storage.manifest(asset, batch_of(folder)) is not None:
        storage.remove_old(asset, batch_of(folder))
        return
    for path in folder.iterdir():
        if path.is_file() and file_contains(path, [*targets.tombstones, *targets.needles]):
            path.unlink()


def _following(manifest: Manifest, journal: Journal) -> Manifest:
    """The manifest of a per-batch table with the new versions of its upstream, if only forgetting changed them."""
    if manifest.batch is None:
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
    touched = {role for role, path in tables.items() if any(map(targets.touches, parts(path, targets.searched(path))))}
    facts = blanked(manifest.facts, [*targets.tombstones, *targets.needles])
    if not touched and facts == manifest.facts:
        if manifest != stored:
            storage.commit(manifest)
        return
    with ParquetParts(storage.folder(manifest.asset, manifest.batch)) as written:
        if manifest.asset == _FIRST:
            lost = _rewrite_rows_read(tables, targets, written)
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
    journal.write(Change(manifest.label, manifest.data_version, version, lost["rows"], len(files) + len(exports)))
    for exported, content in exports.values():
        write_atomically(storage.folder(manifest.asset, manifest.batch) / exported, content)
    storage.commit(changed)
    log(f"{manifest.label}: {lost['rows']:,} rows removed")


def _sums(manifest: Manifest, lost: Counter[str]) -> dict[str, int]:
    """A manifest's counts after its tables lost rows. A row that became a drop still counts among the rows in."""
    counts = {
        "rows": (manifest.rows or 0) - lost["data"],
        "dropped": manifest.dropped - lost["drops"],
        "quarantined": manifest.quarantined - lost["quarantine"],
    }
    return {**counts, "rows_in": (manifest.rows_in or 0) - lost["data"] - lost["drops"] - lost["quarantine"]}


def _rewrite(asset: str, tables: Mapping[str, Path], targets: Targets, written: ParquetParts) -> Counter[str]:
    """Write tables without the targets. Returns how many rows each role lost; quarantined drops do not count."""
    lost: Counter[str] = Counter()
    for role, path in tables.items():
        written.append(role, pl.scan_parquet(path).head(0).collect())
        for part in parts(path):
            gone = targets.taken(part)
            rest, removed = targets.renamed(part.filter(~gone)), part.filter(gone)
            if asset == catalog.RECORD_LEDGER.name and role == "data":
                written.append(role, pl.concat([rest, _ledger_lines(removed, targets)]).sort(LEDGER_ORDER))
                continue
            written.append(role, rest)
            lost["rows"] += removed.height
            lost[role] += removed.filter(pl.col("fate") == "dropped").height if role == "drops" else removed.height
    return lost


def _rewrite_rows_read(tables: Mapping[str, Path], targets: Targets, written: ParquetParts) -> Counter[str]:
    """Write the tables of a batch of the raw corpus, in which every row read of a forgotten record becomes a drop."""
    lost = _rewrite(_FIRST, {role: tables[role] for role in ("data", "quarantine")}, targets, written)
    drops = pl.read_parquet(tables["drops"])
    stay = drops.filter(~targets.is_one("record_id"))
    forgotten = []
    written.append("rows_read", pl.scan_parquet(tables["rows_read"]).head(0).collect())
    for part in parts(tables["rows_read"]):
        rows = part.with_columns(pl.col("record_id").replace(dict(targets.tombstones)))
        gone = part.select(targets.is_one("record_id"))["record_id"]
        forgotten.append(dropped(rows.filter(gone), _FIRST, FORGOTTEN))
        written.append("rows_read", rows)
    now = pl.concat([stay, *forgotten]).sort("batch", "record_id", "rule")
    written.append("drops", now)
    before, after = (table.filter(pl.col("fate") == "dropped").height for table in (drops, now))
    lost["drops"] = before - after
    return lost


def _ledger_lines(removed: pl.DataFrame, targets: Targets) -> pl.DataFrame:
    """The ledger's entries for forgotten rows; a rebuilt ledger has the same."""
    return removed.with_columns(
        pl.col("record_id").replace(dict(targets.tombstones)),
        fate=pl.lit("dropped", removed.schema["fate"]),
        place=pl.lit(f"{_FIRST}/drops"),
        rule=pl.lit(FORGOTTEN),
        detail=pl.lit(None, pl.String),
    )


def _exports(storage: Storage, manifest: Manifest, targets: Targets, data: Path) -> dict[str, tuple[str, bytes]]:
    """The new name and content, by role, of each export that loses lines with the rows that go."""
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
