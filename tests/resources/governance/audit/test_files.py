import pytest
from support.audited import commit_folder, edit_manifest, evidence, rewrite
from support.places import asset_folder
from support.storage import read, write

from fineline.resources.core.storage.files import write_atomically
from fineline.resources.governance.audit import measures, tables
from fineline.resources.governance.audit.evidence import NotCheckable


def checked_files(storage):
    stored = evidence(storage)
    tables.files_are_whole(stored)
    return stored


def test_a_changed_file_is_named_and_what_needs_it_is_not_said_to_hold(storage):
    (key, *_) = storage.keys(storage.require("splits"), "data").values()
    path = storage.local.path(key)
    rewrite(path, path.read_bytes()[:-1] + b"x")
    stored = evidence(storage)
    found = tables.files_are_whole(stored)
    assert (found.failures, found.detail) == (1, f"splits: {path.name} was changed")
    assert found.checked >= 39, "all files of eleven tables"
    with pytest.raises(NotCheckable, match="splits is damaged"):
        measures.splits_do_not_leak(stored)


def test_a_missing_file_is_named(storage):
    path = storage.file(storage.require("sft_dataset"), "train")
    path.unlink()
    stored = evidence(storage)
    found = tables.files_are_whole(stored)
    assert (found.failures, found.detail) == (1, f"sft_dataset: {path.name} is missing")
    with pytest.raises(NotCheckable, match="sft_dataset is damaged"):
        tables.exports_equal_tables(stored)


def test_a_changed_export_is_named(storage):
    path = storage.file(storage.require("sft_dataset"), "train")
    rewrite(path, b"{}\n")
    assert tables.files_are_whole(evidence(storage)).detail == f"sft_dataset: {path.name} was changed"


def test_a_manifest_that_cannot_be_read_is_named(storage):
    (asset_folder(storage, "splits") / "manifest.json").write_text("{")
    found = tables.files_are_whole(evidence(storage))
    assert (found.failures, found.detail) == (1, "splits: its manifest cannot be read")


def test_a_changed_model_folder_is_noticed(storage):
    manifest = commit_folder(
        storage, "sft_model", lambda folder: write_atomically(folder / "merged" / "weights", b"1"), model="merged"
    )
    assert tables.files_are_whole(evidence(storage)).failures == 0
    assert tables.data_versions_are_of_content(evidence(storage)).failures == 0
    (storage.file(manifest, "model") / "weights").write_bytes(b"2")
    assert "content-" in tables.files_are_whole(evidence(storage)).detail


def test_a_data_version_that_is_not_of_the_bytes_is_named(storage):
    edit_manifest(storage, "sft_dataset", data_version="0" * 16)
    found = tables.data_versions_are_of_content(checked_files(storage))
    assert found.failures == 1
    assert found.detail.startswith("sft_dataset;")


def test_what_is_behind_its_inputs_is_named_and_breaks_nothing(storage):
    write(storage, "raw_corpus", read(storage, "raw_corpus", "notes/1").head(5), "notes/1")
    found = tables.data_versions_are_of_content(checked_files(storage))
    assert found.failures == 0
    assert "behind their inputs: curated_corpus; record_ledger; scrubbed_corpus[notes/1]" in found.detail
    with pytest.raises(NotCheckable, match=r"record_ledger is behind raw_corpus\[notes/1\]; materialize it again"):
        evidence(storage).current("record_ledger")
