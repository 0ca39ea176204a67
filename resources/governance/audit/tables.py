"""Checks of stored tables: files, data versions, counts, contracts, exports, and forgotten records.

The first line of a check's docstring is its promise, which the UI shows.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict

import polars as pl

from fineline.data_contracts import catalog
from fineline.data_contracts.accounting import Drop, QuarantinedRecord
from fineline.data_contracts.enforcement import enforce
from fineline.data_contracts.records import SPLITS
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.tables import jsonl_bytes
from fineline.resources.governance.accounting import ledger
from fineline.resources.governance.audit.evidence import Evidence, Finding, NotCheckable, NothingThere, listed
from fineline.resources.governance.forgetting import tombstones

_WITH_CONTRACT = {asset.name: asset for asset in catalog.ASSETS if asset.contract}


def files_are_whole(stored: Evidence) -> Finding:
    """Every file and folder that a manifest names is there, with the hash in its name."""
    checked = stored.check_files()
    problems = [f"{name}: its manifest cannot be read" for name in stored.unreadable]
    problems += [f"{name}: {file}" for name, files in stored.damaged.items() for file in files]
    return Finding(checked + len(stored.unreadable), len(problems), listed(problems) or f"{checked} files and folders")


def data_versions_are_of_content(stored: Evidence) -> Finding:
    """Every data version is the hash of the stored bytes.

    An asset behind its inputs is named, and breaks nothing.
    """
    found = {
        name: stored.data_version(manifest) for name, manifest in stored.manifests.items() if name not in stored.damaged
    }
    known = {name: version for name, version in found.items() if version is not None}
    wrong = [name for name, version in known.items() if version != stored.manifests[name].data_version]
    behind = [name for name, manifest in stored.manifests.items() if stored.behind(manifest)]
    late = f"behind their inputs: {listed(behind)}" if behind else "none is behind its inputs"
    return Finding(len(known), len(wrong), "; ".join([*([listed(wrong)] if wrong else []), late]))


def rows_are_accounted_for(stored: Evidence) -> Finding:
    """Counts match the tables, sums close, and a rebuilt ledger holds every row that was read exactly once."""
    problems, checked = [], 0
    for name, manifest in stored.tables():
        problems += [f"{name}: {problem}" for problem in _miscounted(stored, manifest)]
        checked += manifest.rows_in or 0
    try:
        gaps, rows = _ledger_gaps(stored)
    except NotCheckable:
        if not problems:
            raise
        gaps, rows = {}, 0
    except NothingThere as reason:
        return Finding(checked, len(problems), listed([*problems, f"no ledger: {reason}"]))
    wrong = [f"record_ledger: {count} {name}" for name, count in gaps.items() if count]
    detail = listed(problems + wrong) or f"{checked:,} rows into all tables, {rows:,} of them in the ledger"
    return Finding(checked, len(problems) + sum(gaps.values()), detail)


def _miscounted(stored: Evidence, manifest: Manifest) -> list[str]:
    stopped = manifest.dropped + manifest.quarantined
    wanted = {"data": manifest.rows, "drops": stopped, "quarantine": manifest.quarantined}
    problems = [
        f"{role} should have {count} rows and has not"
        for role, count in wanted.items()
        if role in manifest.roles and stored.height(manifest, role) != count
    ]
    if manifest.rows_in != (manifest.rows or 0) + stopped:
        problems.append("rows in are not the sum of rows kept, dropped and in quarantine")
    return problems


def _ledger_gaps(stored: Evidence) -> tuple[dict[str, int], int]:
    """The gaps of the stored ledger, with its differences from a rebuilt one, and how many entries it has."""
    merged = stored.current(catalog.RECORD_LEDGER.name)
    gaps, unlike = ledger.Gaps(), 0
    for account in ledger.accounts(stored.scan_batch, stored.batches(merged, catalog.RAW_CORPUS.name)):
        entries = stored.storage.scan(merged, batches=[account.batch]).collect()
        gaps += account.gaps(entries)
        unlike += account.entries.join(entries, on=entries.columns, how="anti", nulls_equal=True).height
    return asdict(gaps) | {"entries unlike the rebuilt ones": unlike}, stored.height(merged, "data")


def tables_are_under_contract(stored: Evidence) -> Finding:
    """Every stored table, with its drops and its quarantine, fits its contract."""
    problems: list[str] = []
    checked = failures = 0
    for name, manifest in stored.tables():
        entry = _WITH_CONTRACT.get(manifest.asset)
        roles = {"data": entry.schema if entry else None, "drops": Drop, "quarantine": QuarantinedRecord}
        for role, contract in roles.items():
            if contract is None or role not in manifest.roles:
                continue
            table = stored.storage.scan(manifest, role).collect()
            missing = [column for column in contract.column_names() if column not in table.columns]
            checked += table.height
            bad = {f"no column {column}": table.height or 1 for column in missing}
            if not missing:
                bad = dict(enforce(contract, table).bad.group_by("rule").len().sort("rule").iter_rows())
            failures += sum(bad.values())
            problems += [f"{name}: {count} rows of {role} break {rule}" for rule, count in bad.items()]
    return Finding(checked, failures, listed(problems) or f"{checked:,} rows")


def exports_equal_tables(stored: Evidence) -> Finding:
    """The JSONL files that training reads have the rows of their tables, and no others."""
    problems: list[str] = []
    checked = 0
    for name, manifest in stored.tables():
        exports = [split for split in SPLITS if split in manifest.files]
        table = stored.storage.scan(manifest).collect() if exports else pl.DataFrame()
        for split in exports:
            with stored.storage.root.open(stored.storage.key(manifest, split)) as file:
                lines = Counter(line.rstrip(b"\n") for line in file)
            columns = list(json.loads(next(iter(lines)))) if lines else []
            rows = table.filter(pl.col("split") == split)
            if lines and not set(columns) <= set(rows.columns):
                problems.append(f"{name}: {split} has other columns than its table")
                continue
            wanted = Counter(jsonl_bytes(rows.select(columns or rows.columns)).splitlines())
            other = (lines - wanted).total() + (wanted - lines).total()
            checked += rows.height
            problems += [f"{name}: {other} lines of {split} differ from its table"] if other else []
    damaged = [name for name in stored.damaged if set(SPLITS) & stored.manifests[name].files.keys()]
    if damaged and not problems:
        raise NotCheckable(f"{listed(damaged)} is damaged")
    return Finding(checked, len(problems), listed(problems) or f"{checked:,} lines")


def forgotten_stays_forgotten(stored: Evidence) -> Finding:
    """No stored table holds a forgotten record.

    Record_ids are compared as keyed hashes with the tombstones.
    """
    kept = tombstones.read(stored.storage)
    if kept.is_empty():
        raise NothingThere("no request to forget was ever carried out")
    if (kept["key"] != stored.key.fingerprint).any():
        raise NotCheckable("records were forgotten under another pseudonym key; bring that key back")
    gone, known = set(kept.filter(pl.col("kind") == "record")["tombstone"]), dict[str, bool]()
    problems: list[str] = []
    checked = failures = 0
    for name, manifest in stored.tables():
        for role in manifest.tables:
            rows = stored.storage.scan(manifest, role)
            if "record_id" not in rows.collect_schema():
                continue
            ids = rows.select("record_id").collect()["record_id"].drop_nulls()
            for each in ids.unique():
                if each not in known:
                    known[each] = stored.key.tombstone(each) in gone
            found = sum(known[each] for each in ids)
            checked, failures = checked + ids.len(), failures + found
            problems += [f"{name}: {found} rows of {role}"] if found else []
    return Finding(checked, failures, listed(problems) or f"{len(gone)} forgotten records are in no table")
