"""Reading and writing tables: validated before they are written, every row accounted for."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dataframely as dy
import polars as pl

from fineline.data_contracts.accounting import WISHED_RULES, Drop, QuarantinedRecord
from fineline.data_contracts.enforcement import enforce
from fineline.resources.core.storage.files import make_writable, write_atomically
from fineline.resources.core.storage.integrity import whole_file
from fineline.resources.core.storage.parquet import ParquetParts, joint_digest
from fineline.resources.core.storage.store import Manifest, Storage

DROP_SCHEMA = Drop.create_empty().schema
# A table that is not of records has none of them.
KEYS = ("record_id", "source", "batch")
QUARANTINE_SCHEMA = QuarantinedRecord.create_empty().schema


@dataclass(frozen=True)
class TableOutput:
    """What a stage made of one batch (or of all): the rows that go on, and those that do not.

    ``rows_in`` is how many rows came in; the sums must close: rows_in = kept + dropped + quarantined.
    ``quarantine`` holds rows that could not even be read; ``beside`` further tables, stored by their role, and
    ``exports`` files in the form that another program reads, under the names given.
    """

    frame: pl.DataFrame
    rows_in: int
    drops: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=DROP_SCHEMA))
    quarantine: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=QUARANTINE_SCHEMA))
    side_tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    exports: Mapping[str, bytes] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Origin:
    """What an asset is made from: its code version and the data versions of its inputs, and by which run."""

    code_version: str
    inputs: Mapping[str, str]
    run_id: str


@dataclass(frozen=True)
class StoredTable:
    """A written table with the two promises that every table makes; of one in parts, the first part's frame."""

    manifest: Manifest
    frame: pl.DataFrame
    accounted_for: bool
    under_contract: bool
    broken_rules: Mapping[str, int]


def write_table(
    storage: Storage,
    asset: str,
    batch: str | None,
    made: TableOutput | Iterable[TableOutput],
    contract: type[dy.Schema],
    origin: Origin,
    *,
    maximum_quarantine: float,
    failed_checks: Sequence[str] = (),
) -> StoredTable:
    """Validate a table, put its bad rows into quarantine, and store all of it with a manifest.

    The data version is the hash of the stored bytes: the same rows give the same version. A large table comes
    in parts, of which one at a time is in memory; their counts and facts are added up, and a rule that looks
    at several rows sees those of one part.
    """
    parts = [made] if isinstance(made, TableOutput) else made
    folder = storage.folder(asset, batch)
    make_writable(folder)
    rows_in = kept = dropped_rows = quarantined = 0
    rules: Counter[str] = Counter()
    facts: dict[str, Any] = {}
    exports: dict[str, str] = {}
    first: pl.DataFrame | None = None
    with ParquetParts(folder) as tables:
        for part in parts:
            checked = enforce(contract, part.frame)
            quarantine = pl.concat([part.quarantine, _quarantined(checked.bad)])
            drops = pl.concat([part.drops, _quarantine_drops(quarantine, asset)]).sort("batch", "record_id", "rule")
            contents = {"data": checked.good, "drops": drops, "quarantine": quarantine, **part.side_tables}
            for role, table in contents.items():
                tables.append(role, table)
            for name, content in part.exports.items():
                role, ending = name.split(".", 1)
                # Under a name of its content, as the tables: until the manifest is there the old file counts.
                exports[role] = f"{role}-{hashlib.sha256(content).hexdigest()[:16]}.{ending}"
                write_atomically(folder / exports[role], content)
            first = checked.good if first is None else first
            rows_in += part.rows_in
            kept += checked.good.height
            dropped_rows += part.drops.height
            quarantined += quarantine.height
            rules.update(dict(quarantine.group_by("rule").len().iter_rows()))
            facts |= {name: facts[name] + fact if name in facts else fact for name, fact in part.facts.items()}
        if first is None:
            raise ValueError(f"{asset} has no parts")
        files = tables.finish()
    wished = sum(rules[rule] for rule in WISHED_RULES)
    judged = rows_in - wished
    share = (quarantined - wished) / judged if judged else 0.0
    accounted = rows_in == kept + dropped_rows + quarantined
    failed = [*failed_checks]
    failed += [] if accounted else ["accounted_for"]
    failed += [] if share <= maximum_quarantine else ["under_contract"]
    manifest = Manifest(
        asset=asset,
        batch=batch,
        data_version=joint_digest(files["data"][1], files["drops"][1])[:16],
        code_version=origin.code_version,
        inputs=dict(origin.inputs),
        rows=kept,
        rows_in=rows_in,
        dropped=dropped_rows,
        quarantined=quarantined,
        files={**{role: name for role, (name, _) in files.items()}, **exports},
        failed_checks=failed,
        run_id=origin.run_id,
        facts=facts,
    )
    storage.commit(manifest)
    return StoredTable(manifest, first, accounted, share <= maximum_quarantine, dict(sorted(rules.items())))


def scan_table(
    storage: Storage,
    asset: str,
    batches: Sequence[str] | None = None,
    role: str = "data",
    *,
    verified: bool = False,
) -> pl.LazyFrame:
    """A stored table, lazily; the named batches of it one after the other, or an unpartitioned one.

    With ``verified`` its files are held against their hashes first. Who collects it later than at once does so
    within :meth:`Storage.reading`.

    Raises:
        NotMaterialized, Blocked: see :meth:`Storage.require`.
        Damaged: a file does not hold what was written.
    """
    manifests = [storage.require(asset, batch) for batch in (batches if batches is not None else [None])]
    return pl.scan_parquet([(whole_file if verified else Storage.file)(storage, each, role) for each in manifests])


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
    known = {name: pl.col(name) if name in columns else pl.lit(None, pl.String) for name in KEYS}
    return bad.select(**known, rule="rule", detail="detail", record=pl.struct(columns).struct.json_encode()).cast(
        QUARANTINE_SCHEMA
    )


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
