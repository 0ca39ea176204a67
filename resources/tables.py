"""Reading and writing tables: validated before they are written, every row accounted for."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dataframely as dy
import polars as pl

from fineline.data_contracts.accounting import Drop, QuarantinedRecord
from fineline.data_contracts.boundary import enforce
from fineline.resources.storage import Manifest, Storage, make_writable, write_atomically

DROP_SCHEMA = Drop.create_empty().schema
QUARANTINE_SCHEMA = QuarantinedRecord.create_empty().schema


@dataclass(frozen=True)
class Made:
    """What a stage made of one batch (or of all): the rows that go on, and those that do not.

    ``rows_in`` is how many rows came in; the sums must close: rows_in = kept + dropped + quarantined.
    ``quarantine`` holds rows that could not even be read; ``beside`` further tables, stored by their role, and
    ``exports`` files in the form that another program reads, under the names given.
    """

    frame: pl.DataFrame
    rows_in: int
    drops: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=DROP_SCHEMA))
    quarantine: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=QUARANTINE_SCHEMA))
    beside: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    exports: Mapping[str, bytes] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Origin:
    """What an asset is made from: its code version and the data versions of its inputs, and by which run."""

    code_version: str
    inputs: Mapping[str, str]
    run_id: str


@dataclass(frozen=True)
class Written:
    """A written table with the two promises that every table makes."""

    manifest: Manifest
    frame: pl.DataFrame
    accounted_for: bool
    under_contract: bool
    broken_rules: Mapping[str, int]


def write_table(
    storage: Storage,
    asset: str,
    batch: str | None,
    made: Made,
    contract: type[dy.Schema],
    origin: Origin,
    *,
    maximum_quarantine: float,
    failed_checks: Sequence[str] = (),
) -> Written:
    """Validate a table, put its bad rows into quarantine, and store all of it with a manifest.

    The data version is the hash of the stored bytes: the same rows give the same version.
    """
    checked = enforce(contract, made.frame)
    quarantine = pl.concat([made.quarantine, _quarantined(checked.bad)])
    drops = pl.concat([made.drops, _quarantine_drops(quarantine, asset)]).sort("batch", "record_id", "rule")
    accounted = made.rows_in == checked.good.height + drops.height
    share = quarantine.height / made.rows_in if made.rows_in else 0.0
    contents = {
        "data": parquet_bytes(checked.good),
        "drops": parquet_bytes(drops),
        "quarantine": parquet_bytes(quarantine),
        **{role: parquet_bytes(table) for role, table in made.beside.items()},
    }
    folder = storage.folder(asset, batch)
    make_writable(folder)
    files = {}
    for role, content in contents.items():
        files[role] = f"{role}-{_digest(content)[:16]}.parquet"
        write_atomically(folder / files[role], content)
    for name, content in made.exports.items():
        files[name.partition(".")[0]] = name
        write_atomically(folder / name, content)
    failed = [*failed_checks]
    failed += [] if accounted else ["accounted_for"]
    failed += [] if share <= maximum_quarantine else ["under_contract"]
    manifest = Manifest(
        asset=asset,
        batch=batch,
        data_version=_digest(contents["data"], contents["drops"])[:16],
        code_version=origin.code_version,
        inputs=dict(origin.inputs),
        rows=checked.good.height,
        rows_in=made.rows_in,
        dropped=made.drops.height,
        quarantined=quarantine.height,
        files=files,
        failed_checks=failed,
        run_id=origin.run_id,
        facts=dict(made.facts),
    )
    storage.commit(manifest)
    rules = quarantine.group_by("rule").len().sort("rule")
    return Written(manifest, checked.good, accounted, share <= maximum_quarantine, dict(rules.iter_rows()))


def scan_table(storage: Storage, asset: str, batches: Sequence[str] | None = None, role: str = "data") -> pl.LazyFrame:
    """A stored table, lazily; the named batches of it one after the other, or an unpartitioned one.

    Raises:
        NotMaterialized, Blocked: see :meth:`Storage.require`.
    """
    if batches is None:
        return pl.scan_parquet(storage.file(storage.require(asset), role))
    paths = [storage.file(storage.require(asset, batch), role) for batch in batches]
    return pl.scan_parquet(paths)


def parquet_bytes(frame: pl.DataFrame) -> bytes:
    """A frame as zstd Parquet; equal frames give equal bytes."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", row_group_size=100_000)
    return buffer.getvalue()


def jsonl_bytes(rows: pl.DataFrame) -> bytes:
    """A frame as JSON lines, one object a row, in the order of the columns."""
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows.iter_rows(named=True))


def dropped(rows: pl.DataFrame, stage: str, rule: str | pl.Expr, detail: pl.Expr | None = None) -> pl.DataFrame:
    """The drops of a stage: rows with record_id, source and batch, the rule that stopped them, and why."""
    return rows.select(
        "record_id",
        "source",
        "batch",
        stage=pl.lit(stage),
        fate=pl.lit("dropped", DROP_SCHEMA["fate"]),
        rule=pl.lit(rule) if isinstance(rule, str) else rule,
        detail=pl.lit(None, pl.String) if detail is None else detail,
    )


def _quarantined(bad: pl.DataFrame) -> pl.DataFrame:
    columns = [name for name in bad.columns if name not in ("rule", "detail")]
    known = {name: pl.col(name) if name in columns else pl.lit(None, pl.String) for name in ("source", "batch")}
    return bad.select(
        "record_id", **known, rule="rule", detail="detail", record=pl.struct(columns).struct.json_encode()
    ).cast(QUARANTINE_SCHEMA)


def _quarantine_drops(quarantine: pl.DataFrame, stage: str) -> pl.DataFrame:
    return quarantine.select(
        pl.col("record_id").fill_null(""),
        pl.col("source").fill_null(""),
        pl.col("batch").fill_null(""),
        stage=pl.lit(stage),
        fate=pl.lit("quarantined", DROP_SCHEMA["fate"]),
        rule="rule",
        detail="detail",
    )


def _digest(*contents: bytes) -> str:
    total = hashlib.sha256()
    for content in contents:
        total.update(content)
    return total.hexdigest()
