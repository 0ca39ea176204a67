"""Removal of records from stored tables: only the files that hold them are rewritten, and every sum still closes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import polars as pl

from fineline.data_contracts import catalog
from fineline.data_contracts.accounting import FORGOTTEN, LEDGER_ORDER
from fineline.data_contracts.catalog import Partition
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.integrity import is_whole
from fineline.resources.core.storage.inventory import Inventory
from fineline.resources.core.storage.manifest import Manifest, Place
from fineline.resources.core.storage.parquet import row_groups
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.table_files import VERSIONED, TableFiles, data_version
from fineline.resources.core.storage.tables import dropped, jsonl_bytes
from fineline.resources.governance.forgetting.journal import Change, Journal
from fineline.resources.governance.forgetting.reading import file_contains
from fineline.resources.governance.forgetting.targets import Targets
from fineline.resources.governance.forgetting.texts import blanked

_FIRST = catalog.RAW_CORPUS.name


def remove(storage: Storage, targets: Targets, journal: Journal, log: Callable[[str], None]) -> None:
    """Remove the targets from every stored table, upstream ones first; after a kill, call it again.

    A per-batch table names the new version of its upstream, so it stays current. A merged table still names the
    versions that it was made from, so the next run rebuilds it from the remaining records.
    """
    inventory = Inventory(storage)
    for asset in inventory.in_order():
        partitions = [*inventory.partitions(asset)]
        if not _holds_tables(storage, partitions):
            continue  # A model, which may be in training; the sweep searches its files.
        with storage.root.lock(asset):
            for each in partitions:
                _clean(storage, each, targets)
                manifest = storage.manifest(each.asset, each.batch)
                if manifest is not None and "data" in manifest.roles:
                    _remove_from(storage, manifest, targets, journal, log)


def _holds_tables(storage: Storage, partitions: Sequence[Partition]) -> bool:
    """Whether an asset has tables to rewrite. Certificates stay for ever and name no record."""
    if partitions[0].asset == catalog.FORGETTING_CERTIFICATES.name:
        return False
    stored = [m for each in partitions if (m := storage.manifest(each.asset, each.batch)) is not None]
    if stored:
        return any("data" in manifest.roles for manifest in stored)
    return any(_files_beside(storage, each) for each in partitions)


def _files_beside(storage: Storage, partition: Partition) -> list[str]:
    """The keys of the files directly in the folder of a partition."""
    folder = layout.folder(partition.asset, partition.batch)
    return [entry.key for entry in storage.root.list(folder) if entry.key.rpartition("/")[0] == folder]


def _clean(storage: Storage, partition: Partition, targets: Targets) -> None:
    """Remove the leftovers of killed runs, and the files of a table without manifest that contain a target.

    Of an asset set aside as damaged, the side tables that are whole lose the targets alone: what they keep, such as the
    history of the splits, cannot be computed again.
    """
    asset, batch = partition.asset, partition.batch
    # A reader keeps old files, but nobody reads unfinished ones.
    storage.remove_unfinished(asset, batch)
    if storage.manifest(asset, batch) is not None:
        storage.remove_old(asset, batch)
        return
    damaged = storage.last_stored(asset, batch)
    if damaged is not None:
        side_tables = [role for role in damaged.tables if role not in (*VERSIONED, "quarantine")]
        places = {(role, part): key for role in side_tables for part, key in storage.keys(damaged, role).items()}
        whole = {place: key for place, key in places.items() if is_whole(storage, damaged, key)}
        touched = {place: key for place, key in whole.items() if _is_touched(storage, key, targets)}
        _, rewritten = _rewrite(storage, damaged, touched, targets)
        storage.root.put(layout.damaged_manifest(asset, batch), damaged.with_files(rewritten).content)
    for key in _files_beside(storage, partition):
        if file_contains(storage.root, key, [*targets.tombstones, *targets.needles]):
            storage.root.delete(key)


def _remove_from(
    storage: Storage, stored: Manifest, targets: Targets, journal: Journal, log: Callable[[str], None]
) -> None:
    """Rewrite the files of a table that hold a target; those of a merged table's other batches stay as they are.

    The manifest of a batch gets the new versions of its upstream, if only forgetting changed them.
    """
    manifest = stored
    if stored.batch is not None:
        inputs = {name: journal.newest(name, version) for name, version in stored.inputs.items()}
        manifest = stored.model_copy(update={"inputs": inputs})
    keys = {(role, batch): key for role in manifest.tables for batch, key in storage.keys(manifest, role).items()}
    touched = {place: key for place, key in keys.items() if _is_touched(storage, key, targets)}
    facts = blanked(manifest.facts, [*targets.tombstones, *targets.needles])
    if not touched and facts == manifest.facts:
        if manifest != stored:
            storage.commit(manifest)
        return
    if manifest.asset == _FIRST:
        lost, rewritten = _rewrite_rows_read(storage, manifest, targets)
    else:
        lost, rewritten = _rewrite(storage, manifest, touched, targets)
    exports = _exports(storage, manifest, targets)
    changed = manifest.with_files(rewritten).model_copy(update={**_sums(manifest, lost), "facts": facts})
    changed = changed.model_copy(
        update={
            "data_version": data_version(storage.digests(changed, VERSIONED)),
            "files": changed.files | exports,
        }
    )
    files = len(rewritten) + len(exports)
    journal.write(Change(manifest.label, manifest.data_version, changed.data_version, lost["rows"], files))
    storage.commit(changed)
    log(f"{manifest.label}: {lost['rows']:,} rows removed")


def _is_touched(storage: Storage, key: str, targets: Targets) -> bool:
    columns = targets.searched(storage.root.scan([key]).collect_schema())
    return any(map(targets.touches, row_groups(storage.root, key, columns)))


def _sums(manifest: Manifest, lost: Counter[str]) -> dict[str, int]:
    """A manifest's counts after its tables lost rows. A row that became a drop still counts among the rows in."""
    counts = {
        "rows": (manifest.rows or 0) - lost["data"],
        "dropped": manifest.dropped - lost["drops"],
        "quarantined": manifest.quarantined - lost["quarantine"],
    }
    return {**counts, "rows_in": (manifest.rows_in or 0) - lost["data"] - lost["drops"] - lost["quarantine"]}


def _rewrite(
    storage: Storage, manifest: Manifest, files: Mapping[Place, str], targets: Targets
) -> tuple[Counter[str], dict[Place, str]]:
    """Write files without the targets. Returns how many rows each role lost, and the names of the new files.

    Of the drops that are lost, those of quarantined rows do not count.
    """
    lost: Counter[str] = Counter()
    rewritten = {}
    for (role, batch), key in files.items():
        with TableFiles(storage.root, layout.folder(manifest.asset, manifest.batch)) as written:
            for rows in row_groups(storage.root, key):
                gone = targets.taken(rows)
                rest, removed = targets.renamed(rows.filter(~gone)), rows.filter(gone)
                if manifest.asset == catalog.RECORD_LEDGER.name and role == "data":
                    written.append(role, pl.concat([rest, _ledger_lines(removed, targets)]).sort(LEDGER_ORDER))
                    continue
                written.append(role, rest)
                lost["rows"] += removed.height
                dropped_rows = removed.filter(pl.col("fate") == "dropped") if role == "drops" else removed
                lost[role] += dropped_rows.height
            rewritten[role, batch] = written.finish()[role, None].name
    return lost, rewritten


def _rewrite_rows_read(storage: Storage, manifest: Manifest, targets: Targets) -> tuple[Counter[str], dict[Place, str]]:
    """Write the tables of a batch of the raw corpus, in which every row read of a forgotten record becomes a drop."""
    batch = manifest.batch
    files: dict[Place, str] = {(role, batch): storage.key(manifest, role) for role in ("data", "quarantine")}
    lost, rewritten = _rewrite(storage, manifest, files, targets)
    drops = storage.scan(manifest, "drops").collect()
    now = [drops.filter(~targets.is_one("record_id"))]
    with TableFiles(storage.root, layout.folder(_FIRST, batch)) as written:
        for part in row_groups(storage.root, storage.key(manifest, "rows_read")):
            rows = part.with_columns(pl.col("record_id").replace(dict(targets.tombstones)))
            gone = part.select(targets.is_one("record_id"))["record_id"]
            now.append(dropped(rows.filter(gone), _FIRST, FORGOTTEN))
            written.append("rows_read", rows)
        written.append("drops", pl.concat(now).sort("batch", "record_id", "rule"))
        rewritten |= {(role, batch): file.name for (role, _), file in written.finish().items()}
    before, after = (table.filter(pl.col("fate") == "dropped").height for table in (drops, pl.concat(now)))
    lost["drops"] = before - after
    return lost, rewritten


def _ledger_lines(removed: pl.DataFrame, targets: Targets) -> pl.DataFrame:
    """The ledger's entries for forgotten rows; a rebuilt ledger has the same."""
    return removed.with_columns(
        pl.col("record_id").replace(dict(targets.tombstones)),
        fate=pl.lit("dropped", removed.schema["fate"]),
        place=pl.lit(f"{_FIRST}/drops"),
        rule=pl.lit(FORGOTTEN),
        detail=pl.lit(None, pl.String),
    )


def _exports(storage: Storage, manifest: Manifest, targets: Targets) -> dict[str, str]:
    """Store the exports without the lines of rows that go; returns the new names of those that change, by role."""
    exports = [role for role, name in manifest.files.items() if name.endswith(".jsonl")]
    if not exports:
        return {}
    data = [rows for key in storage.keys(manifest, "data").values() for rows in row_groups(storage.root, key)]
    gone = pl.concat([rows.filter(targets.taken(rows)) for rows in data])
    changed = {}
    for role in exports:
        with storage.root.open(storage.key(manifest, role)) as file:
            lines = file.readlines()
        columns = list(json.loads(lines[0])) if lines else []
        forgotten = set(jsonl_bytes(gone.select(columns)).splitlines(keepends=True))
        rest = [line for line in lines if line not in forgotten]
        if len(rest) < len(lines):
            changed[role] = storage.add(manifest.asset, manifest.batch, f"{role}.jsonl", b"".join(rest))
    return changed
