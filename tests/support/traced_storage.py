"""A storage root with the tables of a few records on their way from a corpus to a release, as a run writes them."""

import polars as pl
from support.batches import give_key, key
from support.records import record, records

from fineline.data_contracts.accounting import LedgerEntry
from fineline.data_contracts.curation import DuplicateCluster, SplitAssignment
from fineline.data_contracts.datasets import SftRow
from fineline.data_contracts.records import Record, ScrubbedRecord
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.tables import Origin, TableOutput, dropped, write_table
from fineline.resources.models import exposure

FIRST, SECOND = key("notes/first.jsonl"), key("notes/second.jsonl")
KEPT = record("My name is Ada Lovelace;\nI like numbers.", batch=FIRST)
HELD_OUT = record("Green is a colour.", batch=FIRST)
# Came in twice, in another batch as well.
AGAIN = {**KEPT, "batch": SECOND}
SIMILAR = record("My name is Ada Lovelace, and I like numbers.", batch=SECOND, metadata='{"by": "Grace Hopper"}')
BROKEN = record("  ", question="Who is Jean\nBartik?", batch=SECOND)


def fill(storage, *, ledger=True):
    give_key(storage.local.folder)
    _corpus(storage, FIRST, records(KEPT, HELD_OUT))
    _corpus(storage, SECOND, records(AGAIN, SIMILAR, BROKEN))
    _put(storage, "duplicate_clusters", _clusters(), DuplicateCluster)
    if ledger:
        _put(storage, "record_ledger", _ledger(), LedgerEntry)
    _put(storage, "splits", _splits(), SplitAssignment)
    rows = records(KEPT, HELD_OUT).with_columns(
        split=pl.Series(["train", "test"]), tokens=pl.lit(9), trained_tokens=pl.lit(4)
    )
    _put(storage, "sft_dataset", rows.select(SftRow.column_names()).cast(SftRow.create_empty().schema), SftRow)
    checkpoints = storage.local.folder / "checkpoints" / "sft_model-1"
    exposure.begin_training(storage, checkpoints, "sft_dataset", "base_model")
    for model in ("sft_model", "release"):
        put_model(storage, model, exposure.in_training(checkpoints))
    (checkpoints / "exposure.parquet").unlink()


def put_model(storage, model, table):
    with storage.new_folder(model) as folder:
        (folder / "weights").write_text(model)
        files = {exposure.ROLE: exposure.write(storage, model, table)}
        standing = {"batch": None, "data_version": "", "code_version": "1", "inputs": {}, "run_id": "4b1d5f6a-run"}
        storage.commit_folder(Manifest(asset=model, files=files, **standing), folder, {"model": "weights"})


def _put(storage, asset, frame, contract, batch=None, made=None):
    made = made or TableOutput(frame, rows_in=frame.height)
    written = write_table(storage, asset, batch, made, contract, Origin("1", {}, "run"), maximum_quarantine=1.0)
    return written.frame


def _corpus(storage, batch, rows):
    twice = rows.head(1)
    arrivals = pl.concat([rows, twice]).select("record_id", "batch", "source", copy=pl.lit(0, pl.UInt32))
    drops = dropped(twice, "raw_corpus", "repeated_row", pl.lit("copy 1"))
    made = TableOutput(rows, rows_in=arrivals.height, drops=drops, side_tables={"rows_read": arrivals})
    good = _put(storage, "raw_corpus", None, Record, batch, made)
    _put(storage, "scrubbed_corpus", good.with_columns(replacements=pl.lit(2, pl.UInt32)), ScrubbedRecord, batch)


def _clusters():
    stays = KEPT["record_id"]
    rows = [
        (KEPT, stays, True, None, None),
        (HELD_OUT, HELD_OUT["record_id"], True, None, None),
        (AGAIN, stays, False, "exact_duplicate", 1.0),
        (SIMILAR, stays, False, "near_duplicate", 0.875),
    ]
    table = [(row["record_id"], row["batch"], "notes", cluster, cluster, *rest) for row, cluster, *rest in rows]
    return pl.DataFrame(table, schema=DuplicateCluster.create_empty().schema, orient="row")


def _ledger():
    rows = [
        (KEPT, "kept", "splits/train", None, None),
        (HELD_OUT, "kept", "splits/test", None, None),
        (AGAIN, "dropped", "duplicate_clusters/drops", "exact_duplicate", None),
        (SIMILAR, "dropped", "duplicate_clusters/drops", "near_duplicate", "0.875 similar"),
        (BROKEN, "quarantined", "raw_corpus/quarantine", "completion_has_text", None),
    ]
    table = [(row["record_id"], row["batch"], 0, "notes", *rest) for row, *rest in rows]
    return pl.DataFrame(table, schema=LedgerEntry.create_empty().schema, orient="row")


def _splits():
    rows = [
        (KEPT["record_id"], FIRST, "notes", "train", "a", "notes"),
        (HELD_OUT["record_id"], FIRST, "notes", "test", "b", "notes"),
    ]
    return pl.DataFrame(rows, schema=SplitAssignment.create_empty().schema, orient="row")
