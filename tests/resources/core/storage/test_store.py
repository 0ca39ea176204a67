import os

import pytest

from fineline.resources.core.storage import layout
from fineline.resources.core.storage.files import StorageError, write_atomically
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Blocked, Damaged, NotMaterialized

FOLDER = layout.folder("corpus")


def manifest(files, **values):
    standing = {
        "asset": "corpus",
        "batch": None,
        "data_version": "v1",
        "code_version": "1",
        "inputs": {},
        "run_id": "r",
    }
    return Manifest(**{**standing, "files": files, **values})


def put(storage, name, text="rows", **values):
    storage.root.put(f"{FOLDER}/{name}", text.encode())
    storage.commit(manifest({"data": name}, **values))


def names(storage, asset="corpus"):
    return storage.root.names(layout.folder(asset))


def commit_model(storage, content=b"weights"):
    with storage.new_folder("model") as folder:
        write_atomically(folder / "merged" / "weights", content)
        write_atomically(folder / "log.txt", os.urandom(8))
        return storage.commit_folder(manifest({}, asset="model", data_version=""), folder, {"model": "merged"})


def test_an_asset_that_was_never_stored_is_named(storage):
    with pytest.raises(NotMaterialized, match=r"corpus\[docs/1\] is not materialized yet"):
        storage.require("corpus", "docs/1")


def test_a_commit_removes_what_only_the_one_before_named(storage):
    put(storage, "old.parquet")
    put(storage, "new.parquet", data_version="v2")
    assert storage.require("corpus").data_version == "v2"
    assert names(storage) == ["manifest.json", "new.parquet"]


def test_a_write_that_was_cut_off_leaves_the_old_table_in_place(storage):
    put(storage, "old.parquet")
    storage.root.put(f"{FOLDER}/half.parquet", b"no manifest names this")
    assert storage.file(storage.require("corpus"), "data").read_text() == "rows"


def test_a_table_whose_file_is_gone_counts_as_not_stored(storage):
    put(storage, "data.parquet")
    storage.root.delete(f"{FOLDER}/data.parquet")
    assert storage.manifest("corpus") is None


def test_a_model_of_which_a_part_is_gone_counts_as_not_stored(storage):
    stored = commit_model(storage)
    storage.root.delete(storage.key(stored, "model"))
    storage.root.put(f"{layout.folder('model')}/{stored.files['model'].split('/')[0]}/other", b"")
    assert storage.manifest("model") is None


def test_an_asset_whose_blocking_check_failed_cannot_be_read(storage):
    put(storage, "data.parquet", failed_checks=["nothing_leaks"])
    with pytest.raises(Blocked, match="corpus failed its check nothing_leaks"):
        storage.require("corpus")


def test_a_folder_is_stored_under_a_name_of_its_content(storage):
    for content in (b"first", b"second", b"first"):
        made = commit_model(storage, content)
        assert (storage.file(storage.require("model"), "model") / "weights").read_bytes() == content
    assert commit_model(storage, b"first").data_version == made.data_version
    assert len(names(storage, "model")) == 2


def test_a_folder_of_the_same_content_is_left_in_place_and_a_damaged_one_is_replaced(on_disk):
    weights = on_disk.file(commit_model(on_disk), "model") / "weights"
    before = weights.stat().st_ino
    commit_model(on_disk)
    assert weights.stat().st_ino == before, "the folder that others may read stayed where it was"
    weights.write_bytes(b"damaged")
    commit_model(on_disk)
    assert weights.read_bytes() == b"weights"


def test_a_new_version_that_is_stored_while_the_manifest_is_read_is_found(storage, monkeypatch):
    put(storage, "old.parquet")
    names = storage.root.names

    def commit_meanwhile(folder):
        if "old.parquet" in names(folder):
            monkeypatch.undo()
            put(storage, "new.parquet", data_version="v2")
        return names(folder)

    monkeypatch.setattr(storage.root, "names", commit_meanwhile)
    assert storage.require("corpus").data_version == "v2"


def test_what_is_being_read_stays_until_a_commit_after_the_reader_has_left(storage):
    put(storage, "old.parquet")
    with storage.reading(["corpus"]):
        old = storage.require("corpus")
        put(storage, "new.parquet", data_version="v2")
        put(storage, "newer.parquet", data_version="v3")
        assert storage.file(old, "data").read_text() == "rows"
        assert storage.require("corpus").data_version == "v3"
        assert not storage.remove_old("corpus")
    assert storage.remove_old("corpus")
    assert names(storage) == ["manifest.json", "newer.parquet"]


def test_a_manifest_that_is_cut_off_counts_as_not_stored_and_is_named(storage):
    put(storage, "data.parquet")
    key = layout.manifest("corpus")
    storage.root.put(key, storage.root.get(key).content[:40])
    assert storage.manifest("corpus") is None
    with pytest.raises(Damaged, match=r"manifest.json cannot be read. Restore it"):
        storage.last_stored("corpus")


def test_an_asset_that_is_set_aside_is_remembered_and_not_stored(storage):
    put(storage, "data.parquet")
    before = storage.require("corpus")
    storage.set_aside(before)
    assert storage.manifest("corpus") is None
    assert storage.last_stored("corpus") == before


def test_a_manifest_is_amended_only_where_it_is_the_one_that_was_read(storage):
    put(storage, "data.parquet")
    read = storage.require("corpus")
    storage.amend(read, read.model_copy(update={"flags": ["saw it"]}))
    assert storage.require("corpus").flags == ["saw it"]
    with pytest.raises(StorageError, match="corpus was stored again meanwhile"):
        storage.amend(read, read.model_copy(update={"flags": ["saw another"]}))


def test_what_a_killed_run_left_half_made_is_removed_and_nothing_else(storage):
    put(storage, "data.parquet")
    for name in ("batch=a/data", ".data.1234", "new-1234/rows"):
        storage.root.put(f"{FOLDER}/{name}", b"half")
    storage.remove_unfinished("corpus")
    assert names(storage) == ["batch=a", "data.parquet", "manifest.json"]
    storage.remove_unfinished("never_stored")


def test_all_files_of_a_folder_are_flushed_before_the_manifest_names_them(on_disk, monkeypatch):
    flushed = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (flushed.append(os.readlink(f"/proc/self/fd/{fd}")), fsync(fd)))
    with on_disk.new_folder("model") as folder:
        (folder / "merged").mkdir()
        (folder / "merged" / "weights").write_bytes(b"weights")
        on_disk.commit_folder(manifest({}, asset="model", data_version=""), folder, {"model": "merged"})
    names = [path.rpartition("/")[2] for path in flushed]
    assert {"weights", "merged", "model"} <= set(names)
    (manifest_file,) = (name for name in names if name.startswith(".manifest.json"))
    assert names.index("weights") < names.index("model") < names.index(manifest_file)
    assert "model" in names[names.index(manifest_file) :], "the manifest's own name is flushed too"
