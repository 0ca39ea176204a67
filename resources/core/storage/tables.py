"""Tables as steps make and read them: validated before they are stored, every row accounted for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dataframely as dy
import polars as pl

from fineline.data_contracts import catalog
from fineline.data_contracts.enforcement import rules_broken
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.checking import DROP_SCHEMA, QUARANTINE_SCHEMA, Counts, checked
from fineline.resources.core.storage.integrity import require_whole
from fineline.resources.core.storage.inventory import Inventory
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.parquet import StoredFile, row_groups
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.table_files import TableFiles, data_version


@dataclass(frozen=True)
class TableOutput:
    """What a step makes of one batch, of a part of it, or of all batches: rows that go on, and rows that do not.

    ``rows_in`` counts the rows that the step was given; the sums must close: rows_in = kept + dropped + quarantined.
    ``quarantine`` holds rows that could not even be read; ``side_tables`` further tables, stored by their role, and
    ``exports`` files in the form that another program reads, under the names given, which stored parts lack.
    """

    frame: pl.DataFrame
    rows_in: int
    drops: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=DROP_SCHEMA))
    quarantine: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=QUARANTINE_SCHEMA))
    side_tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    exports: Mapping[str, bytes] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredPart:
    """A part of a table whose rows are stored already: the names and hashes of its files, and their counts.

    Small, and made to be sent from the process that made it. ``batch`` is the batch of all its rows, or None where
    they belong to several.
    """

    batch: str | None
    files: Mapping[str, StoredFile]
    counts: Counts


@dataclass(frozen=True)
class Origin:
    """What an asset is made from: its code version, the data versions of its inputs, and the run that made it."""

    code_version: str
    inputs: Mapping[str, str]
    run_id: str


@dataclass(frozen=True)
class StoredTable:
    """A stored table, with rows of its first part and the number of rows that broke each rule of its contract.

    Where it was held back, its files are there until the asset is next stored, and ``is_stored`` is False.
    """

    manifest: Manifest
    frame: pl.DataFrame
    broken_rules: Mapping[str, int]
    is_stored: bool = True


def write_table(
    storage: Storage,
    asset: str,
    batch: str | None,
    output: TableOutput | Iterable[TableOutput | StoredPart],
    contract: type[dy.Schema],
    origin: Origin,
    *,
    maximum_quarantine: float,
    failed_checks: Sequence[str] = (),
    keeps_good: bool = False,
) -> StoredTable:
    """Validate a table, put its bad rows into quarantine, and store all of it with a manifest.

    A large table comes in parts, of which one at a time is in memory, or which units of work have stored already (see
    :func:`store_part`). Their counts and facts are added up. Rows of different parts with one primary key fail the
    check ``under_contract``. The data version is the hash of the stored rows and drops: the same rows give the same
    version, however they were cut into parts.

    A table of all batches whose contract has a ``batch`` is stored in one file a batch and role, in the order of the
    batches; files of a batch whose rows are as before are left untouched. The parts of a batch follow one another.

    With ``keeps_good``, a table that fails a check is held back where one that passed is stored.
    """
    folder = layout.folder(asset, batch)
    counts, parts, exports = Counts(), 0, dict[str, str]()
    first: pl.DataFrame | None = None
    by_batch = batch is None and "batch" in contract.column_names()
    with TableFiles(storage.root, folder, by_batch=by_batch) as files:
        for part in [output] if isinstance(output, TableOutput) else output:
            parts += 1
            if isinstance(part, StoredPart):
                files.add_stored(part.files, part.batch)
                counts += part.counts
                if first is None:
                    first = next(row_groups(storage.root, f"{folder}/{part.files['data'].name}"))
            else:
                tables, counted = _checked(asset, contract, part)
                files.add(tables)
                counts += counted
                # Under names of their content: until the manifest names them, the old ones count.
                exports |= {
                    name.split(".")[0]: storage.add(asset, batch, name, part.exports[name]) for name in part.exports
                }
                first = tables["data"] if first is None else first
        if first is None:
            raise ValueError(f"{asset} has no parts")
        stored = files.finish()
    # Within one part, the contract itself has found them.
    data = [f"{folder}/{file.name}" for (role, _), file in stored.items() if role == "data"]
    repeated = _repeated_keys(storage.root.scan(data), contract) if parts > 1 else 0
    failing = [*counts.failed_checks(maximum_quarantine), *(["under_contract"] if repeated else [])]
    manifest = Manifest(
        asset=asset,
        batch=batch,
        data_version=data_version({place: file.digest for place, file in stored.items()}),
        code_version=origin.code_version,
        inputs=dict(origin.inputs),
        rows=counts.kept,
        rows_in=counts.rows_in,
        dropped=counts.dropped,
        quarantined=counts.quarantined,
        files=exports,
        failed_checks=list(dict.fromkeys([*failed_checks, *failing])),
        run_id=origin.run_id,
        facts=dict(counts.facts),
    ).with_files({place: file.name for place, file in stored.items()})
    before = storage.manifest(asset, batch) if keeps_good and manifest.failed_checks else None
    is_stored = before is None or bool(before.failed_checks)
    if is_stored:
        storage.commit(manifest)
    broken = {**counts.broken_rules, "primary_key": counts.broken_rules.get("primary_key", 0) + repeated}
    return StoredTable(manifest, first, {rule: rows for rule, rows in sorted(broken.items()) if rows}, is_stored)


def store_part(storage: Storage, asset: str, batch: str | None, output: TableOutput) -> StoredPart:
    """Validate a part of a table and store its rows ahead of the table, for :func:`write_table` to take over.

    For units of work, in whatever process: the part is small and can be pickled. ``batch`` is that of all its rows;
    for a table of all batches None too, where they are of several. A part that is made twice is stored once, under
    names of its content; a part that no table takes over is removed when the asset is next stored.

    Raises:
        ValueError: the rows of a table of all batches are not those of ``batch``.
    """
    entry = catalog.entry(asset)
    tables, counts = _checked(asset, entry.schema, output)
    partition = batch if entry.per_batch else None
    if batch is not None and partition is None and not tables["data"]["batch"].eq(batch).all():
        raise ValueError(f"a part of {asset} has rows of other batches than {batch}")
    with TableFiles(storage.root, layout.folder(asset, partition)) as files:
        files.add(tables)
        stored = {role: file for (role, _), file in files.finish().items()}
    return StoredPart(batch, stored, counts)


def scan_table(
    storage: Storage,
    asset: str,
    batches: Sequence[str] | None = None,
    role: str = "data",
    *,
    verified: bool = False,
) -> pl.LazyFrame:
    """A stored table, lazily: all batches in their order, or the given ones in the order given.

    With ``verified`` its files are checked against their hashes first. Whoever collects it later than at once does so
    within :meth:`Storage.reading`.

    Raises:
        NotMaterialized, Blocked: see :meth:`Storage.require`.
        Damaged: a file does not hold what was written.
    """
    if not catalog.entry(asset).per_batch:
        manifest = storage.require(asset)
        if verified:
            require_whole(storage, manifest, role, batches)
        return storage.scan(manifest, role, batches)
    if batches is None:
        batches = [each.batch for each in Inventory(storage).partitions(asset) if each.batch]
    manifests = [storage.require(asset, batch) for batch in batches]
    keys = []
    for manifest in manifests:
        if verified:
            require_whole(storage, manifest, role)
        keys.append(storage.key(manifest, role))
    return storage.root.scan(keys)


def dropped(rows: pl.DataFrame, asset: str, rule: str | pl.Expr, detail: pl.Expr | None = None) -> pl.DataFrame:
    """The drops of a step: rows with record_id, source and batch, the rule that stopped them, and why."""
    return rows.select(
        "record_id",
        "source",
        "batch",
        asset=pl.lit(asset),
        fate=pl.lit("dropped", DROP_SCHEMA["fate"]),
        rule=pl.lit(rule) if isinstance(rule, str) else rule,
        detail=pl.lit(None, pl.String) if detail is None else detail,
    )


def jsonl_bytes(rows: pl.DataFrame) -> bytes:
    """A frame as JSON lines, one object a row, in the order of the columns."""
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows.iter_rows(named=True))


def _repeated_keys(rows: pl.LazyFrame, contract: type[dy.Schema]) -> int:
    """How many rows of a table have the primary key of another one."""
    keys = contract.primary_key()
    if not keys:
        return 0
    counted = rows.select(repeated=pl.len() - pl.struct(keys).n_unique()).collect(engine="streaming")
    return int(counted.item())


def _checked(asset: str, contract: type[dy.Schema], output: TableOutput) -> tuple[Mapping[str, pl.DataFrame], Counts]:
    tables = checked(asset, contract, output.frame, output.drops, output.quarantine)
    counts = Counts(
        output.rows_in,
        tables["data"].height,
        output.drops.height,
        tables["quarantine"].height,
        rules_broken(tables["quarantine"]),
        dict(output.facts),
    )
    return {**tables, **output.side_tables}, counts
