"""A storage root with the tables of the data half and one data set, made without Dagster from a few records."""

from pathlib import Path

import polars as pl
from support.records import record, records

from fineline.data_contracts import catalog
from fineline.data_contracts.catalog import Partition
from fineline.data_contracts.records import CuratedRecord
from fineline.resources.core.recipe.curation import Deduplicate, Split
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.tables import Origin, TableOutput, dropped, jsonl_bytes, write_table
from fineline.resources.data.curation.curate import unique_records
from fineline.resources.data.deduplication.clusters import find_clusters
from fineline.resources.data.deduplication.signatures import sign
from fineline.resources.data.splitting.assignment import assign
from fineline.resources.governance.accounting import ledger

BATCHES = ("notes/1", "notes/2")
GRAPH = catalog.graph(["sft_dataset"], {})
# The tables that are made here.
MADE = (
    *("raw_corpus", "scrubbed_corpus", "minhash_signatures", "duplicate_clusters", "curated_corpus", "splits"),
    *("record_ledger", "sft_dataset"),
)
CONTRACTS = {name: GRAPH[name].schema for name in MADE}
LONG = "the quick brown fox jumps over the lazy dog while seven wizards pack a box of liquor jugs"


def write(storage, asset, frame, batch=None, **more):
    """Store a table of the asset's contract, made from what is stored of its upstream."""
    names = [
        (name, each)
        for name in GRAPH[asset].upstream
        if name in MADE
        for each in ((batch,) if GRAPH[asset].per_batch else BATCHES if GRAPH[name].per_batch else (None,))
    ]
    inputs = {Partition(*name).label: storage.require(*name).data_version for name in names}
    made = TableOutput(frame, more.pop("rows_in", frame.height), **more)
    origin = Origin("1", inputs, f"run of {asset}")
    return write_table(storage, asset, batch, made, GRAPH[asset].schema, origin, maximum_quarantine=1.0)


def read(storage, asset, batch=None, role="data"):
    return storage.scan(storage.require(asset, batch), role).collect()


def read_all(storage, asset, role="data"):
    return pl.concat([read(storage, asset, batch, role) for batch in BATCHES])


def write_curated(storage, curated, removed):
    drops = dropped(removed, "duplicate_clusters", pl.col("reason").cast(pl.String))
    write(storage, "curated_corpus", curated, rows_in=curated.height + drops.height, drops=drops)


def write_splits(storage, assignment, history):
    write(storage, "splits", assignment, side_tables={"history": history})


def write_ledger(storage):
    raw = read_all(storage, "raw_corpus", "rows_read")
    parts = [read_all(storage, name, "drops") for name in ("raw_corpus", "scrubbed_corpus")]
    parts += [read(storage, name, role="drops") for name in ("curated_corpus", "splits")]
    made = ledger.build(raw, pl.concat(parts), read(storage, "splits"))
    write(storage, "record_ledger", made)


def write_dataset(storage):
    rows = read(storage, "curated_corpus").join(read(storage, "splits").select("record_id", "split"), on="record_id")
    rows = rows.with_columns(tokens=pl.lit(9, pl.UInt32), trained_tokens=pl.lit(4, pl.UInt32))
    exports = {
        f"{split}.jsonl": jsonl_bytes(rows.filter(pl.col("split") == split).select("prompt", "completion"))
        for split in ("train", "validation", "test")
    }
    write(storage, "sft_dataset", rows, exports=exports)


def make_small_storage(root: Path) -> Storage:
    """Forty records in two batches, one of them a near-duplicate of another, and everything made from them."""
    storage = Storage(root)
    for number, batch in enumerate(BATCHES):
        rows = [
            record(f"Number {n} is a word like {LONG[n:]}.", batch=batch) for n in range(number * 20, 20 + number * 20)
        ]
        rows.append(record(f"{LONG} {LONG} {LONG[number:]}", question="Which fox?", batch=batch))
        raw = records(*rows)
        arrivals = raw.with_columns(copy=pl.lit(0, pl.UInt32)).select("record_id", "batch", "source", "copy")
        write(storage, "raw_corpus", raw, batch, side_tables={"rows_read": arrivals})
        scrubbed = raw.with_columns(replacements=pl.lit(0, pl.UInt32))
        write(storage, "scrubbed_corpus", scrubbed, batch)
        write(storage, "minhash_signatures", sign(scrubbed, Deduplicate()), batch)
    scrubbed = read_all(storage, "scrubbed_corpus")
    signatures = read_all(storage, "minhash_signatures")
    clusters = find_clusters(scrubbed.lazy(), signatures.lazy(), Deduplicate()).table
    write(storage, "duplicate_clusters", clusters)
    curated = unique_records(scrubbed, clusters).select(CuratedRecord.column_names())
    write_curated(storage, curated, clusters.filter(~pl.col("representative")))
    assigned = assign(curated, Split(validation=0.2, test=0.2))
    write_splits(storage, assigned.records, assigned.history)
    write_ledger(storage)
    write_dataset(storage)
    return storage
