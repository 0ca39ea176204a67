import json
import shutil
from dataclasses import asdict

import polars as pl
import pytest
from support.places import asset_folder
from support.records import record, records
from support.traced_storage import AGAIN, BROKEN, FIRST, HELD_OUT, KEPT, SECOND, SIMILAR, fill

from fineline.data_contracts import catalog
from fineline.resources.core.keys import load_key
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.disk import DiskRoot
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.tables import Origin, TableOutput, write_table
from fineline.resources.governance.accounting import trace as tracing
from fineline.resources.models import exposure


@pytest.fixture
def storage(tmp_path):
    storage = Storage(tmp_path / "root")
    fill(storage)
    return storage


def steps(storage, row, asset, role="data"):
    trace = tracing.trace(storage, row["record_id"])
    return [(step.batch, step.facts) for step in trace.steps if (step.asset, step.role) == (asset, role)]


def test_a_kept_record_is_traced_from_its_batch_to_the_models_that_saw_it(storage):
    trace = tracing.trace(storage, HELD_OUT["record_id"])
    assert [(step.asset, step.batch, step.role) for step in trace.steps] == [
        ("raw_corpus", FIRST, "data"),
        ("raw_corpus", FIRST, "rows_read"),
        ("scrubbed_corpus", FIRST, "data"),
        ("duplicate_clusters", None, "data"),
        ("splits", None, "data"),
        ("record_ledger", None, "data"),
        ("sft_dataset", None, "data"),
    ]
    assert steps(storage, HELD_OUT, "splits") == [(None, {"split": "test"})]
    assert steps(storage, HELD_OUT, "scrubbed_corpus") == [(FIRST, {"kind": "chat", "replacements": 2})]


def test_a_step_names_the_version_of_its_table(storage):
    trace = tracing.trace(storage, KEPT["record_id"])
    versions = {(step.asset, step.batch, step.data_version) for step in trace.steps}
    assert ("raw_corpus", SECOND, storage.require("raw_corpus", SECOND).data_version) in versions
    assert ("release", None, storage.require("release").data_version) in versions


def test_a_train_record_was_seen_by_the_model_and_by_its_release(storage):
    expected = [(None, {"dataset": "sft_dataset", "split": "train"})]
    assert steps(storage, KEPT, "sft_model", "exposure") == expected
    assert steps(storage, KEPT, "release", "exposure") == expected
    assert steps(storage, HELD_OUT, "sft_model", "exposure") == []


def test_a_training_that_has_not_ended_counts(storage):
    checkpoints = storage.local.folder / "checkpoints" / "sft_model-2"
    exposure.begin_training(storage, checkpoints, "sft_dataset", "base_model")
    assert len(steps(storage, KEPT, "checkpoints/sft_model-2", "exposure")) == 1


def test_a_duplicate_names_its_cluster_and_similarity_and_the_rule_that_dropped_it(storage):
    [(_, cluster)] = steps(storage, SIMILAR, "duplicate_clusters")
    assert cluster == {
        "cluster": KEPT["record_id"],
        "representative": False,
        "reason": "near_duplicate",
        "similarity": 0.875,
    }
    [(_, entry)] = steps(storage, SIMILAR, "record_ledger")
    assert (entry["fate"], entry["rule"]) == ("dropped", "near_duplicate")


def test_a_record_of_two_batches_stands_in_both(storage):
    assert [batch for batch, _ in steps(storage, AGAIN, "raw_corpus")] == [FIRST, SECOND]
    assert {facts["fate"] for _, facts in steps(storage, KEPT, "record_ledger")} == {"kept", "dropped"}


def test_a_quarantined_record_names_the_rule_that_it_broke(storage):
    [(batch, facts)] = steps(storage, BROKEN, "raw_corpus", "quarantine")
    assert batch == SECOND
    assert facts["rule"] == "completion_has_text"
    assert steps(storage, BROKEN, "raw_corpus") == []


def test_an_unknown_record_is_not_found(storage):
    trace = tracing.trace(storage, "0" * 32)
    assert not trace.found


def meanwhile(monkeypatch, happens):
    """Have something happen once, after the manifests were read and before the first table is."""
    scan, left = DiskRoot.scan, [happens]

    def scan_late(*arguments, **options):
        if left:
            left.pop()()
        return scan(*arguments, **options)

    monkeypatch.setattr(DiskRoot, "scan", scan_late)


def empty_corpus_and_ledger(storage):
    """Store newer tables without rows."""
    for asset, batch in ((catalog.RAW_CORPUS, FIRST), (catalog.RECORD_LEDGER, None)):
        nothing = TableOutput(storage.scan(storage.require(asset.name, batch)).collect().clear(), 0)
        origin = Origin("2", {}, "run")
        write_table(storage, asset.name, batch, nothing, asset.schema, origin, maximum_quarantine=1.0)


def test_a_run_that_stores_newer_tables_meanwhile_does_not_disturb_a_trace(storage, monkeypatch):
    meanwhile(monkeypatch, lambda: empty_corpus_and_ledger(storage))
    assert steps(storage, KEPT, "record_ledger")
    assert not steps(storage, KEPT, "record_ledger"), "the next trace reads the newer one"


def test_nor_a_trace_of_a_text(storage, monkeypatch):
    meanwhile(monkeypatch, lambda: empty_corpus_and_ledger(storage))
    assert tracing.trace_text(storage, "ada lovelace").records == 2


def test_nor_does_a_training_that_ends_meanwhile(storage, monkeypatch):
    checkpoints = storage.local.folder / "checkpoints" / "sft_model-2"
    exposure.begin_training(storage, checkpoints, "sft_dataset", "base_model")
    meanwhile(monkeypatch, lambda: shutil.rmtree(checkpoints))
    assert steps(storage, KEPT, "sft_model", "exposure")


def test_a_table_that_somebody_deletes_meanwhile_is_told(storage, monkeypatch):
    (_, key), *_ = storage.keys(storage.require("record_ledger"), "data").items()
    meanwhile(monkeypatch, lambda: storage.root.delete(key))
    with pytest.raises(FileNotFoundError):
        tracing.trace(storage, KEPT["record_id"])


def test_an_empty_storage_root_holds_nothing(tmp_path):
    trace = tracing.trace(Storage(tmp_path), "0" * 32)
    assert not trace.found
    assert tracing.trace_text(Storage(tmp_path), "Ada").records == 0


def test_a_batch_that_an_older_version_wrote_without_a_column_is_read(storage):
    path = storage.file(storage.require("scrubbed_corpus", SECOND), "data")
    pl.read_parquet(path).drop("replacements").write_parquet(path)
    assert steps(storage, SIMILAR, "scrubbed_corpus") == [(SECOND, {"kind": "chat"})]


def test_records_that_mention_a_text_are_counted_and_traced(storage):
    found = tracing.trace_text(storage, "ada lovelace")
    assert found.records == 2
    assert found.rows_by_batch == {FIRST: 1, SECOND: 2}
    assert {trace.record_id for trace in found.traces} == {KEPT["record_id"], SIMILAR["record_id"]}
    assert [(sighting.asset, sighting.records) for sighting in found.seen_by] == [("release", 1), ("sft_model", 1)]


def test_each_of_them_is_traced_to_its_end(storage):
    traces = {trace.record_id: trace for trace in tracing.trace_text(storage, "ada lovelace").traces}
    assert [(step.asset, step.facts.get("rule")) for step in traces[SIMILAR["record_id"]].steps] == [
        ("record_ledger", "near_duplicate")
    ]
    assert {step.asset for step in traces[KEPT["record_id"]].steps} == {
        "record_ledger",
        "sft_dataset",
        "sft_model",
        "release",
    }


def test_of_many_records_fifty_are_traced(storage):
    rows = records(*(record(f"Number {number} of many.", batch="notes/many") for number in range(120)))
    for name, frame in (("raw_corpus", rows), ("quarantine", rows.head(0))):
        (asset_folder(storage, "raw_corpus", "notes/many")).mkdir(exist_ok=True)
        frame.write_parquet(asset_folder(storage, "raw_corpus", "notes/many") / f"{name}.parquet")
    manifest = storage.require("raw_corpus", FIRST)
    files = {"data": "raw_corpus.parquet"}
    storage.commit(manifest.model_copy(update={"batch": "notes/many", "files": files}))
    found = tracing.trace_text(storage, "OF MANY")
    assert (found.records, len(found.traces)) == (120, tracing.SHOWN)


def test_no_trace_holds_what_a_record_says(storage):
    traces = [asdict(tracing.trace(storage, row["record_id"])) for row in (KEPT, HELD_OUT, AGAIN, SIMILAR, BROKEN)]
    told = json.dumps([*traces, asdict(tracing.trace_text(storage, "name is"))])
    for word in ("Lovelace", "numbers", "Hopper", "Bartik", "Green", "name"):
        assert word not in told


def test_a_forgotten_record_is_found_by_its_tombstone_and_names_the_request(storage):
    record_id = KEPT["record_id"]
    tombstone = load_key(storage.root).tombstone(record_id)
    exposure.mark_forgotten(storage, {record_id: tombstone}, "R-17")
    rows = {"tombstone": [tombstone], "request_id": ["R-17"], "kind": ["record"]}
    storage.local.path(layout.TOMBSTONES).parent.mkdir()
    pl.DataFrame(rows).write_parquet(storage.local.path(layout.TOMBSTONES))
    trace = tracing.trace(storage, record_id)
    assert trace.forgotten_by == "R-17"
    assert steps(storage, KEPT, "sft_model", "exposure") == [
        (None, {"dataset": "sft_dataset", "split": "train", "request": "R-17"})
    ]
    other = tracing.trace(storage, HELD_OUT["record_id"])
    assert other.forgotten_by is None
