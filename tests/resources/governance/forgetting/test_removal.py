import hashlib
import threading
import time

import dagster as dg
import polars as pl
import pytest
from support import traced_storage
from support.places import asset_folder
from support.records import record, records
from support.traced_storage import FIRST, HELD_OUT, KEPT, SECOND, SIMILAR

from fineline.data_contracts.curation import SplitAssignment
from fineline.data_contracts.forgetting import ForgettingCertificate
from fineline.data_contracts.records import Record
from fineline.resources.core.keys import PseudonymKey, load_key
from fineline.resources.core.recipe.sources import Files
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.integrity import read_last_whole, whole_file
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.tables import Origin, TableOutput, jsonl_bytes, scan_table, write_table
from fineline.resources.data.ingestion.ingest import ingest
from fineline.resources.data.ingestion.scan import scan_sources
from fineline.resources.data.shapes.content import UNREADABLE_SCHEMA, BatchRows
from fineline.resources.governance.forgetting import certificate, tombstones
from fineline.resources.governance.forgetting import matches as planning
from fineline.resources.governance.forgetting.certificate import carry_out
from fineline.resources.governance.forgetting.dagster_history import DagsterHistory
from fineline.resources.governance.forgetting.journal import Journal
from fineline.resources.governance.forgetting.matches import plan
from fineline.resources.governance.forgetting.removal import remove
from fineline.resources.governance.forgetting.request import (
    ForgettingError,
    NeedsConfirmation,
    Request,
    finish,
    key_of,
    put,
)
from fineline.resources.governance.forgetting.sweep import sweep
from fineline.resources.governance.forgetting.targets import Targets
from fineline.resources.governance.forgetting.tombstones import Tombstones
from fineline.resources.models import exposure

PERSON = "Ada Lovelace"
BOTH = {KEPT["record_id"], SIMILAR["record_id"]}


@pytest.fixture
def storage(tmp_path):
    storage = Storage(tmp_path / "root")
    traced_storage.fill(storage)
    for batch in (FIRST, SECOND):
        scrubbed = storage.require("scrubbed_corpus", batch)
        upstream = {f"raw_corpus[{batch}]": storage.require("raw_corpus", batch).data_version}
        storage.commit(scrubbed.model_copy(update={"inputs": upstream}))
    dataset = storage.require("sft_dataset")
    rows = storage.scan(dataset).collect()
    export = jsonl_bytes(rows.filter(pl.col("split") == "train").select("prompt", "completion"))
    name = f"train-{hashlib.sha256(export).hexdigest()[:16]}.jsonl"
    (asset_folder(storage, "sft_dataset") / name).write_bytes(export)
    inputs = {f"raw_corpus[{batch}]": storage.require("raw_corpus", batch).data_version for batch in (FIRST, SECOND)}
    storage.commit(dataset.model_copy(update={"inputs": inputs, "files": {**dataset.files, "train": name}}))
    storage.local.path(layout.FINDINGS_CACHE).mkdir(parents=True)
    (storage.local.path(layout.FINDINGS_CACHE) / "found_spans.sqlite").write_text("hashes")
    return storage


def ask(storage, **what):
    request = Request(request_id="R-17", reason="erasure request", **what)
    put(storage, request)
    return request


def forget(storage, **what):
    ask(storage, **what)
    with dg.DagsterInstance.ephemeral() as instance:
        return carried_out(storage, instance)


def carried_out(storage, instance, request_id="R-17", sources=()):
    table = carry_out(
        storage, load_key(storage.root), sources, request_id, DagsterHistory(instance, storage), lambda _: None
    )
    (row,) = table.filter(pl.col("request_id") == request_id).iter_rows(named=True)
    return row


def ids(storage, asset, batches=None, role="data"):
    return set(scan_table(storage, asset, batches, role).collect()["record_id"])


def test_a_text_is_found_in_messages_metadata_and_quarantine_of_every_batch(storage):
    def found(text):
        finish(storage, "R-17")
        return set(plan(storage, load_key(storage.root), ask(storage, texts=[text])).tombstones)

    assert found("ada LOVELACE") == BOTH
    assert found("Grace Hopper") == {SIMILAR["record_id"]}
    (broken,) = found("Jean Bartik")
    assert broken in ids(storage, "raw_corpus", [SECOND], "quarantine")
    assert found("Nobody Known") == set()


def test_what_much_of_the_corpus_says_must_be_confirmed(storage, monkeypatch):
    monkeypatch.setattr(planning, "UNCONFIRMED_RECORDS", 1)
    with pytest.raises(NeedsConfirmation, match=r"2 of 7 records contain .* Nothing was forgotten.* --yes"):
        forget(storage, texts=[PERSON])
    assert not storage.root.exists(key_of("R-17")), "a refused request does not stay with what it names"
    assert forget(storage, texts=[PERSON], confirmed=True)["records"] == 2


def test_of_a_record_only_what_no_other_says_is_looked_for(storage):
    passages = plan(storage, load_key(storage.root), ask(storage, records=[SIMILAR["record_id"]])).passages
    # The question is that of another record, too.
    assert passages == ["my name is ada lovelace and i like numbers"]


def test_rows_go_from_every_table_and_every_sum_still_closes(storage):
    before = {batch: storage.require("raw_corpus", batch).rows_in for batch in (FIRST, SECOND)}
    row = forget(storage, texts=[PERSON])
    assert row["remains"] == []
    for asset, batches in (
        ("raw_corpus", [FIRST, SECOND]),
        ("scrubbed_corpus", [FIRST, SECOND]),
        ("duplicate_clusters", None),
        ("splits", None),
        ("sft_dataset", None),
    ):
        assert not ids(storage, asset, batches) & BOTH, asset
        for batch in batches or [None]:
            m = storage.require(asset, batch)
            assert m.rows_in == m.rows + m.dropped + m.quarantined, asset
            assert m.rows == storage.scan(m).collect().height
            assert m.dropped + m.quarantined == storage.scan(m, "drops").collect().height
    assert {batch: storage.require("raw_corpus", batch).rows_in for batch in before} == before
    assert {"table": "splits", "rows": 1} in row["removed"]


def test_arrivals_drops_and_ledger_keep_a_line_under_the_tombstone(storage):
    lines = scan_table(storage, "record_ledger").collect().height
    forget(storage, texts=[PERSON])
    hidden = {load_key(storage.root).tombstone(record_id) for record_id in BOTH}
    arrivals = scan_table(storage, "raw_corpus", [FIRST, SECOND], "rows_read").collect()
    gone = scan_table(storage, "raw_corpus", [FIRST, SECOND], "drops").filter(pl.col("rule") == "forgotten").collect()
    assert arrivals.filter(pl.col("record_id").is_in(hidden)).height == gone.height == 5
    ledger = scan_table(storage, "record_ledger").collect()
    assert ledger.height == lines
    assert set(ledger.filter(pl.col("rule") == "forgotten")["record_id"]) == hidden


def test_a_batch_follows_its_rewritten_upstream_and_merged_tables_do_not(storage):
    before = storage.require("sft_dataset").inputs
    forget(storage, texts=[PERSON])
    for batch in (FIRST, SECOND):
        version = storage.require("raw_corpus", batch).data_version
        assert storage.require("scrubbed_corpus", batch).inputs == {f"raw_corpus[{batch}]": version}
        assert before[f"raw_corpus[{batch}]"] != version
    assert storage.require("sft_dataset").inputs == before


def test_exports_lose_the_lines_of_the_rows(storage):
    forget(storage, texts=[PERSON])
    assert whole_file(storage, storage.require("sft_dataset"), "train").read_text() == ""


def test_models_are_flagged_and_the_memory_of_the_scrubber_is_empty(storage):
    row = forget(storage, records=[KEPT["record_id"]])
    assert {each["model"] for each in row["seen_by"]} == {"sft_model", "release"}
    assert exposure.forgotten_records(storage, "release") == 1
    assert list(storage.local.path(layout.FINDINGS_CACHE).iterdir()) == []


def test_the_certificate_tells_of_names_that_dagster_keeps(storage):
    ask(storage, texts=["Ada Lovelace"])
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("batches", ["mail/ada-lovelace.txt"])
        (told,) = carried_out(storage, instance)["remains"]
    assert "names that contain it (dynamic_partitions.partition): rename what bears them" in told


def test_a_record_that_is_not_there_is_kept_out_all_the_same(storage):
    versions = {path: path.read_bytes() for path in storage.local.folder.rglob("manifest.json")}
    row = forget(storage, records=["0" * 32])
    assert (row["records"], row["removed"], row["remains"]) == (0, [], [])
    assert {path: path.read_bytes() for path in versions} == versions
    table = pl.read_parquet(storage.local.folder / "forgotten" / "tombstones.parquet")
    assert table["tombstone"].to_list() == [load_key(storage.root).tombstone("0" * 32)]


def test_a_source_and_a_batch_are_forgotten_as_a_whole(storage):
    row = forget(storage, batch=FIRST)
    assert row["records"] == 2
    assert ids(storage, "raw_corpus", [FIRST]) == set()
    assert KEPT["record_id"] not in ids(storage, "raw_corpus", [SECOND]), "the same record in another batch goes too"
    assert SIMILAR["record_id"] in ids(storage, "raw_corpus", [SECOND])
    finish(storage, "R-17")
    put(storage, Request(request_id="R-18", reason="contract ended", source="notes"))
    with dg.DagsterInstance.ephemeral() as instance:
        row = carried_out(storage, instance, "R-18")
    assert row["records"] == 2, "what the first request took out is not counted again"
    assert ids(storage, "raw_corpus", [FIRST, SECOND]) == set()


def test_leftovers_of_killed_runs_are_removed(storage):
    left = asset_folder(storage, "raw_corpus", FIRST) / ".data.0a1b"
    left.write_text(PERSON)
    folder = asset_folder(storage, "sft_dataset") / "new-0a1b"
    folder.mkdir()
    (folder / "rows.parquet").write_text(PERSON)
    assert forget(storage, texts=[PERSON])["remains"] == []
    assert not left.exists()
    assert not folder.exists()


def test_an_unfinished_table_is_removed_also_where_somebody_reads_the_asset(storage):
    left = asset_folder(storage, "raw_corpus", FIRST) / ".data.0a1b"
    left.write_bytes(storage.file(storage.require("raw_corpus", FIRST), "data").read_bytes()[:-8])
    with storage.reading(["raw_corpus"]):
        forget(storage, texts=[PERSON])
    assert not left.exists()


def test_a_batch_that_the_source_still_offers_is_named_as_a_place_outside(storage, tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "first.jsonl").write_text('{"text": "x"}\n')
    source = Files(name="notes", kind="files", licence="MIT", path=folder)
    scan_sources(storage, [source], now=time.time() + 10)
    ask(storage, texts=[PERSON])
    with dg.DagsterInstance.ephemeral() as instance:
        row = carried_out(storage, instance, sources=[source])
    assert row["outside"] == [FIRST]


# What an attempt that nothing interrupts removes.
WHOLE = {"raw_corpus": 3, "scrubbed_corpus": 3, "duplicate_clusters": 3, "sft_dataset": 1, "splits": 1}


class Killed(BaseException):
    """As kill -9 ends a process: no handler of errors runs."""


def kill(*given):
    raise Killed


@pytest.mark.parametrize("step", range(1, 9))
def test_killed_before_any_commit_the_same_request_completes_it(storage, monkeypatch, step):
    commit, count = Storage.commit, 0

    def kill_at_step(self, manifest):
        nonlocal count
        count += 1
        if count == step:
            raise Killed
        commit(self, manifest)

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "commit", kill_at_step)
        with pytest.raises(Killed):
            forget(storage, texts=[PERSON])
    assert storage.root.exists(key_of("R-17", "plan"))
    row = forget(storage, texts=[PERSON])
    assert row["records"] == 2
    assert {each["table"]: each["rows"] for each in row["removed"]} == WHOLE
    assert sweep(storage, [*BOTH, "ada lovelace"]).remains == []
    for batch in (FIRST, SECOND):
        version = storage.require("raw_corpus", batch).data_version
        assert storage.require("scrubbed_corpus", batch).inputs == {f"raw_corpus[{batch}]": version}


def test_a_batch_that_comes_in_while_a_request_is_planned_is_forgotten_too(storage, monkeypatch):
    third, began, planned = "notes/third.jsonl", threading.Event(), threading.Event()

    def come_in():
        with storage.root.lock("raw_corpus"):
            known = Tombstones.load(storage, load_key(storage.root))
            began.set()
            planned.wait(0.5)
            rows = BatchRows(records(record("Late.", batch=third)), pl.DataFrame([], schema=UNREADABLE_SCHEMA))
            made = ingest([rows], "notes", third, forgotten=known)
            write_table(storage, "raw_corpus", third, made, Record, Origin("1", {}, "run"), maximum_quarantine=1.0)

    def noted(*given):
        found = plan(*given)
        planned.set()
        return found

    monkeypatch.setattr(certificate, "plan", noted)
    run = threading.Thread(target=come_in)
    run.start()
    began.wait()
    row = forget(storage, source="notes")
    run.join()
    assert ids(storage, "raw_corpus", [FIRST, SECOND, third]) == set()
    assert storage.require("raw_corpus", third).dropped == 1
    assert row["records"] == 5


def test_a_table_that_is_read_for_the_plan_keeps_its_files(storage, monkeypatch):
    def while_it_reads(*given):
        assert not storage.remove_old("scrubbed_corpus", FIRST)
        return plan(*given)

    monkeypatch.setattr(certificate, "plan", while_it_reads)
    forget(storage, texts=[PERSON])
    assert storage.remove_old("scrubbed_corpus", FIRST)


def test_a_request_under_way_is_completed_however_much_it_is_of(storage, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(certificate, "remove", kill)
        with pytest.raises(Killed):
            forget(storage, texts=[PERSON], confirmed=True)
    monkeypatch.setattr(planning, "UNCONFIRMED_RECORDS", 1)
    row = forget(storage, texts=[PERSON])
    assert (row["records"], row["remains"]) == (2, [])


def test_what_refuses_a_request_under_way_leaves_its_plan(storage, monkeypatch):
    def refuse(*given):
        raise ForgettingError("not as it stands")

    with monkeypatch.context() as patch:
        patch.setattr(certificate, "remove", kill)
        with pytest.raises(Killed):
            forget(storage, texts=[PERSON])
        patch.setattr(certificate, "plan", refuse)
        with pytest.raises(ForgettingError, match="not as it stands"):
            forget(storage, texts=[PERSON])
    assert storage.root.exists(key_of("R-17", "plan"))
    assert forget(storage, texts=[PERSON])["records"] == 2


def test_a_request_repeated_and_killed_keeps_what_it_removed_before(storage, monkeypatch):
    before = forget(storage, texts=[PERSON])
    made = TableOutput(pl.DataFrame([before], schema=ForgettingCertificate.create_empty().schema), rows_in=1)
    origin = Origin("1", {}, "run")
    write_table(storage, "forgetting_certificates", None, made, ForgettingCertificate, origin, maximum_quarantine=0)
    finish(storage, "R-17")
    with monkeypatch.context() as patch:
        patch.setattr(certificate, "remove", kill)
        with pytest.raises(Killed):
            forget(storage, texts=[PERSON])
    row = forget(storage, texts=[PERSON])
    assert (row["records"], row["removed"]) == (2, before["removed"])


def test_a_request_under_another_key_is_refused_and_changes_nothing(storage):
    forget(storage, records=[KEPT["record_id"]])
    finish(storage, "R-17")
    before = tombstones.read(storage)
    put(storage, Request(request_id="R-18", reason="erasure request", texts=[PERSON]))
    another = PseudonymKey(b"other" * 8)
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(ForgettingError, match="bring back the key"):
        carry_out(storage, another, [], "R-18", DagsterHistory(instance, storage), lambda _: None)
    assert tombstones.read(storage).equals(before)
    assert not storage.root.exists(key_of("R-18", "plan"))
    with dg.DagsterInstance.ephemeral() as instance:
        assert carried_out(storage, instance, "R-18")["records"] == 1


def test_of_a_table_whose_file_is_missing_those_that_say_it_are_removed(storage):
    manifest = storage.require("splits")
    for key in storage.keys(manifest, "drops").values():
        storage.root.delete(key)
    ids_of = dict.fromkeys(BOTH, "f" * 32)
    remove(storage, Targets(ids_of, ["ada lovelace"]), Journal(storage, "R-17"), lambda _: None)
    assert not list(asset_folder(storage, "splits").glob("data*"))
    assert list(asset_folder(storage, "splits").glob("quarantine*")), "what has nothing of it stays"
    assert HELD_OUT["record_id"] in ids(storage, "raw_corpus", [FIRST])


def test_a_detail_that_names_a_forgotten_record_names_its_tombstone():
    targets = Targets({KEPT["record_id"]: "f" * 32}, [])
    drops = pl.DataFrame({"record_id": [SIMILAR["record_id"]], "detail": [f"0.875 similar to {KEPT['record_id']}"]})
    assert targets.touches(drops)
    assert not targets.taken(drops).any()
    assert targets.renamed(drops)["detail"].to_list() == [f"0.875 similar to {'f' * 32}"]


def test_what_a_damaged_asset_keeps_of_others_stays(storage):
    whole = scan_table(storage, "splits").collect()
    table = TableOutput(whole, whole.height, side_tables={"history": whole})
    origin = Origin("1", {}, "run")
    write_table(storage, "splits", None, table, SplitAssignment, origin, maximum_quarantine=0.0)
    storage.set_aside(storage.require("splits"))
    forget(storage, texts=[PERSON])
    history = read_last_whole(storage, "splits", "history")
    assert set(history["record_id"]) == set(whole["record_id"]) - BOTH
    assert history.height
