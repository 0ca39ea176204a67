import polars as pl
from support.audited import audited
from support.storage import read, write, write_dataset, write_ledger

from fineline.data_contracts.audit import AuditFinding
from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.audit.promises import PROMISES


def test_a_whole_storage_holds_every_promise_that_it_can(storage):
    found = audited(storage)
    assert AuditFinding.validate(found).height == len(PROMISES)
    states = {state: part["promise"].to_list() for (state,), part in found.group_by("state", maintain_order=True)}
    assert set(states) == {"held", "nothing_there"}
    assert states["nothing_there"] == ["release_has_evidence", "forgotten_stays_forgotten"]


def test_an_audit_of_nothing_finds_nothing_there(tmp_path):
    tables_only = audited(Storage(tmp_path)).filter(pl.col("promise") != "personal_data_stays_replaced")
    assert set(tables_only["state"]) == {"nothing_there"}


def test_an_audit_changes_nothing_that_is_stored(storage):
    assets = storage.local.path("assets")
    before = {path: path.read_bytes() for path in assets.rglob("*") if path.is_file()}
    audited(storage)
    assert {
        path: path.read_bytes() for path in (storage.local.folder / "assets").rglob("*") if path.is_file()
    } == before


def test_what_a_run_commits_during_an_audit_does_not_look_damaged(storage):
    def commit_once(said):
        if said.startswith("files_are_whole"):
            write(storage, "raw_corpus", read(storage, "raw_corpus", "notes/1").head(5), "notes/1")

    found = audited(storage, log=commit_once)
    assert found.filter(pl.col("state").is_in(["broken", "not_checked"])).is_empty()


def test_what_was_made_by_other_code_or_another_recipe_is_not_measured_by_todays(storage):
    found = audited(storage, {"minhash_signatures": "2", "scrubbed_corpus": "2"})
    late = found.filter(state="not_checked")
    assert late["promise"].to_list() == [
        "rows_are_accounted_for",
        "personal_data_stays_replaced",
        "duplicates_stay_verified",
        "splits_do_not_leak",
    ]
    assert "the code or the recipe of minhash_signatures[notes/1] changed" in late["detail"][3]
    assert found.filter(state="broken").is_empty()


def test_the_helpers_give_the_same_tables_again(storage):
    before = storage.require("record_ledger").data_version, storage.require("sft_dataset").data_version
    write_ledger(storage)
    write_dataset(storage)
    assert (storage.require("record_ledger").data_version, storage.require("sft_dataset").data_version) == before
