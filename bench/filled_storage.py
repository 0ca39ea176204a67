"""A storage root as a run leaves it, with any number of records, made from real rows with variations."""

import hashlib

import dataframely as dy
import numpy as np
import polars as pl
from rows import p3

from fineline.data_contracts.accounting import LedgerEntry
from fineline.data_contracts.curation import DuplicateCluster, RecordQuality, SplitAssignment
from fineline.data_contracts.datasets import SftRow
from fineline.data_contracts.records import CuratedRecord, Record, ScrubbedRecord
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.tables import Origin, TableOutput, dropped, scan_table, write_table
from fineline.resources.data.curation.curate import curate
from fineline.resources.governance.accounting import ledger
from fineline.resources.models import exposure

BATCHES = 20
# Characters that are taken of a row's text; with the answer, a record has about 300 bytes.
TAKEN = 260
ORIGIN = Origin("1", {}, "bench")
RATIOS = {name: 0.1 for name, column in RecordQuality.columns().items() if column.dtype == pl.Float64}


def fill(storage: Storage, records: int) -> None:
    """Write every table from the raw corpus to the SFT dataset, and three models with the records that they saw."""
    texts = p3().select(
        text=pl.col("prompt").list.first().struct.field("content"),
        answer=pl.col("completion").list.first().struct.field("content"),
    )
    batches = [f"p3/part-{number:02}.jsonl" for number in range(BATCHES)]
    for number, batch in enumerate(batches):
        _arrive(storage, batch, _rows(texts, batch, records // BATCHES, seed=number))
    scrubbed = scan_table(storage, "scrubbed_corpus", batches).collect()
    clusters = _clusters(scrubbed)
    _put(storage, "duplicate_clusters", clusters, DuplicateCluster)
    quality = _quality(clusters)
    _put(storage, "record_quality", quality, RecordQuality)
    made = curate(scrubbed, clusters, quality, {})
    write_table(storage, "curated_corpus", None, made, CuratedRecord, ORIGIN, maximum_quarantine=1.0)
    curated = made.frame
    assignment = _splits(curated)
    _put(storage, "splits", assignment, SplitAssignment)
    arrivals = scan_table(storage, "raw_corpus", batches, "rows_read").collect()
    drops = pl.concat(
        [scan_table(storage, "raw_corpus", batches, "drops").collect(), made.drops.cast(made.drops.schema)]
    )
    _put(storage, "record_ledger", ledger.build(arrivals, drops, assignment), LedgerEntry)
    _put(storage, "sft_dataset", _training_rows(curated, assignment), SftRow)
    _train(storage, "sft_model", "sft_dataset", "base_model")
    _train(storage, "aligned_model", "sft_dataset", "sft_model")
    _model(storage, "release", exposure.read(storage, "aligned_model"))


def _put(storage: Storage, asset: str, rows: pl.DataFrame, contract: type[dy.Schema]) -> None:
    written = write_table(
        storage, asset, None, TableOutput(rows, rows.height), contract, ORIGIN, maximum_quarantine=1.0
    )
    if written.manifest.quarantined:
        raise ValueError(f"{written.manifest.quarantined} rows of {asset} break its contract")


def _rows(texts: pl.DataFrame, batch: str, count: int, seed: int) -> pl.DataFrame:
    """Records of slices of real prompts, with their answers and a number that sets them apart."""
    random = np.random.default_rng(seed)
    drawn = texts[random.integers(0, texts.height, count)].with_columns(
        start=pl.Series(random.random(count)) * (pl.col("text").str.len_chars() - TAKEN).clip(0).cast(pl.Float64),
        number=pl.int_range(count) + seed * count,
    )
    question = pl.format("{} [{}]", pl.col("text").str.slice(pl.col("start").cast(pl.Int64), TAKEN), "number")
    answer = pl.col("answer").str.slice(0, 80) + pl.format(" ({})", pl.col("number") % 997)
    ids = [hashlib.blake2b(f"{seed} {number}".encode(), digest_size=16).hexdigest() for number in range(count)]
    message = [pl.lit("user").alias("role"), question.alias("content")]
    reply = [pl.lit("assistant").alias("role"), answer.alias("content")]
    return drawn.select(
        record_id=pl.Series(ids),
        source=pl.lit("p3"),
        batch=pl.lit(batch),
        kind=pl.lit("chat"),
        prompt=pl.concat_list(pl.struct(message)),
        completion=pl.concat_list(pl.struct(reply)),
        rejected=pl.lit(None),
        tools=pl.lit(None),
        label=pl.lit(None),
        group=pl.lit(None),
        licence=pl.lit("Apache-2.0"),
        metadata=pl.lit("{}"),
    ).cast(Record.create_empty().schema)


def _arrive(storage: Storage, batch: str, rows: pl.DataFrame) -> None:
    """The per-batch tables; one row in a hundred came in twice."""
    again = rows.head(rows.height // 100)
    arrivals = pl.concat([rows.with_columns(copy=0), again.with_columns(copy=1)])
    arrivals = arrivals.select("record_id", "batch", "source", pl.col("copy").cast(pl.UInt32))
    made = TableOutput(
        rows,
        rows_in=arrivals.height,
        drops=dropped(again, "raw_corpus", "repeated_row", pl.lit("copy 1")),
        side_tables={"rows_read": arrivals},
    )
    write_table(storage, "raw_corpus", batch, made, Record, ORIGIN, maximum_quarantine=1.0)
    scrubbed = rows.with_columns(replacements=(pl.int_range(pl.len()) % 3).cast(pl.UInt32))
    made = TableOutput(scrubbed, rows_in=rows.height)
    write_table(storage, "scrubbed_corpus", batch, made, ScrubbedRecord, ORIGIN, maximum_quarantine=1.0)


def _clusters(records: pl.DataFrame) -> pl.DataFrame:
    """Each tenth record is near-duplicate of the one before it."""
    copy = pl.int_range(pl.len()) % 10 == 9
    first = pl.when(copy).then(pl.col("record_id").shift(1)).otherwise("record_id")
    return (
        records.select(
            "record_id",
            "batch",
            "source",
            cluster=first,
            family=first,
            representative=~copy,
            reason=pl.when(copy).then(pl.lit("near_duplicate")),
            similarity=pl.when(copy).then(0.9),
        )
        .cast(DuplicateCluster.create_empty().schema)
        .sort("batch", "record_id")
    )


def _quality(clusters: pl.DataFrame) -> pl.DataFrame:
    """One in twenty fails a rule."""
    rows = clusters.filter("representative").select("record_id", "batch", "source").sort("record_id")
    failed = pl.when(pl.int_range(pl.len()) % 20 == 0).then(pl.lit("too_short"))
    rows = rows.with_columns(failed_rule=failed, language=pl.lit("en"), **{n: pl.lit(v) for n, v in RATIOS.items()})
    standing = {name: pl.lit(0) for name in RecordQuality.column_names() if name not in rows.columns}
    return rows.with_columns(**standing).select(RecordQuality.column_names()).cast(RecordQuality.create_empty().schema)


def _splits(curated: pl.DataFrame) -> pl.DataFrame:
    place = pl.int_range(pl.len()) % 20
    split = pl.when(place == 0).then(pl.lit("test")).when(place == 1).then(pl.lit("validation"))
    ids = curated.select("record_id", "batch", "source", split_group="cluster")
    return (
        ids.with_columns(split=split.otherwise(pl.lit("train")), stratum=pl.lit("p3"))
        .select(SplitAssignment.column_names())
        .cast(SplitAssignment.create_empty().schema)
    )


def _training_rows(curated: pl.DataFrame, assignment: pl.DataFrame) -> pl.DataFrame:
    rows = curated.join(assignment.select("record_id", "split"), on="record_id").sort("record_id")
    counts = {"tokens": pl.lit(80, pl.UInt32), "trained_tokens": pl.lit(20, pl.UInt32)}
    return rows.with_columns(**counts).select(SftRow.column_names())


def _train(storage: Storage, model: str, dataset: str, before: str) -> None:
    checkpoints = storage.local.folder / "checkpoints" / model
    exposure.begin_training(storage, checkpoints, dataset, before)
    _model(storage, model, exposure.in_training(checkpoints))
    (checkpoints / "exposure.parquet").unlink()


def _model(storage: Storage, model: str, records: pl.DataFrame) -> None:
    with storage.new_folder(model) as folder:
        (folder / "weights").write_text(model)
        files = {exposure.ROLE: exposure.write(storage, model, records)}
        manifest = Manifest(
            asset=model, batch=None, data_version="", code_version="1", inputs={}, files=files, run_id="bench"
        )
        storage.commit_folder(manifest, folder, {"model": "weights"})
