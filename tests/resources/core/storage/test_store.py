import os

import pytest

from fineline.resources.core.storage.files import (
    StorageError,
    folder_digest,
    make_writable,
    remove_leftovers,
    write_atomically,
)
from fineline.resources.core.storage.store import Blocked, Manifest, NotMaterialized, Storage, changed_inputs


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


@pytest.fixture
def storage(tmp_path):
    return Storage(tmp_path / "root")


def put(storage, name, text="rows", **values):
    write_atomically(storage.folder("corpus") / name, text.encode())
    storage.commit(manifest({"data": name}, **values))


def test_what_was_never_made_is_named(storage):
    with pytest.raises(NotMaterialized, match=r"corpus\[docs/1\] is not materialized yet"):
        storage.require("corpus", "docs/1")


def test_a_commit_removes_what_only_the_one_before_named(storage):
    put(storage, "old.parquet")
    put(storage, "new.parquet", data_version="v2")
    assert storage.require("corpus").data_version == "v2"
    assert sorted(os.listdir(storage.folder("corpus"))) == ["manifest.json", "new.parquet"]


def test_a_write_that_was_cut_off_leaves_the_old_table_in_place(storage):
    put(storage, "old.parquet")
    write_atomically(storage.folder("corpus") / "half.parquet", b"no manifest names this")
    assert storage.file(storage.require("corpus"), "data").read_text() == "rows"


def test_a_table_whose_file_is_gone_counts_as_not_made(storage):
    put(storage, "data.parquet")
    (storage.folder("corpus") / "data.parquet").unlink()
    assert storage.manifest("corpus") is None


def test_an_asset_whose_blocking_check_failed_cannot_be_read(storage):
    put(storage, "data.parquet", failed_checks=["nothing_leaks"])
    with pytest.raises(Blocked, match="corpus failed its check nothing_leaks"):
        storage.require("corpus")


def test_a_folder_is_stored_under_a_name_of_its_content(storage):
    for text in ("first", "second", "first"):
        with storage.new_folder("model") as folder:
            write_atomically(folder / "merged" / "weights", text.encode())
            write_atomically(folder / "log.txt", os.urandom(8))
            made = storage.commit_folder(manifest({}, asset="model", data_version=""), folder, {"model": "merged"})
        assert (storage.file(storage.require("model"), "model") / "weights").read_text() == text
    with storage.new_folder("model") as folder:
        write_atomically(folder / "merged" / "weights", b"first")
        again = storage.commit_folder(manifest({}, asset="model", data_version=""), folder, {"model": "merged"})
    assert again.data_version == made.data_version
    assert len(list(storage.folder("model").iterdir())) == 2


def test_a_folder_whose_making_failed_is_gone(storage):
    with pytest.raises(KeyboardInterrupt), storage.new_folder("model") as folder:
        raise KeyboardInterrupt
    assert not folder.exists()


def test_a_file_in_place_of_the_folder_is_told_with_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="FINELINE_HOME="):
        make_writable(tmp_path / "file" / "inside")


@pytest.fixture
def as_nobody():
    """Root may write anywhere; the tests of permissions are done as another user."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


def test_a_folder_without_write_permission_is_told_with_what_to_do(tmp_path, as_nobody):
    if os.geteuid() != 65534:
        tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="FINELINE_HOME="):
        make_writable(tmp_path / "new")


def test_a_folder_digest_depends_on_names_and_bytes(tmp_path):
    (tmp_path / "a").write_text("x")
    before = folder_digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    renamed = folder_digest(tmp_path)
    (tmp_path / "b").write_text("y")
    assert len({before, renamed, folder_digest(tmp_path)}) == 3


def test_changed_inputs_are_those_added_removed_or_of_another_version():
    assert changed_inputs({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"}) == ["b", "c", "d"]


def test_a_new_version_that_comes_while_the_manifest_is_read_is_found(storage, monkeypatch):
    put(storage, "old.parquet")
    names = storage.at.names

    def commit_meanwhile(folder):
        if "old.parquet" in names(folder):
            monkeypatch.undo()
            put(storage, "new.parquet", data_version="v2")
        return names(folder)

    monkeypatch.setattr(storage.at, "names", commit_meanwhile)
    assert storage.require("corpus").data_version == "v2"


def test_what_is_being_read_stays_until_a_commit_after_the_reader_has_left(storage):
    put(storage, "old.parquet")
    with storage.reading(["corpus"]):
        old = storage.file(storage.require("corpus"), "data")
        put(storage, "new.parquet", data_version="v2")
        put(storage, "newer.parquet", data_version="v3")
        assert old.read_text() == "rows"
        assert storage.require("corpus").data_version == "v3"
        assert not storage.remove_old("corpus")
    assert storage.remove_old("corpus")
    assert sorted(os.listdir(storage.folder("corpus"))) == ["manifest.json", "newer.parquet"]


def test_a_manifest_that_is_cut_off_counts_as_not_made(storage):
    put(storage, "data.parquet")
    path = storage.folder("corpus") / "manifest.json"
    path.write_bytes(path.read_bytes()[:40])
    assert storage.manifest("corpus") is None


def test_a_folder_of_the_same_content_is_never_away_and_a_damaged_one_is_replaced(storage, monkeypatch):
    def commit():
        with storage.new_folder("model") as folder:
            write_atomically(folder / "merged" / "weights", b"weights")
            return storage.commit_folder(manifest({}, asset="model", data_version=""), folder, {"model": "merged"})

    weights = storage.file(commit(), "model") / "weights"
    before = weights.stat().st_ino
    commit()
    assert weights.stat().st_ino == before, "the folder that others may read stayed where it was"
    weights.write_bytes(b"damaged")
    commit()
    assert weights.read_bytes() == b"weights"


def test_leftovers_of_a_killed_run_are_removed_and_nothing_else(storage):
    put(storage, "data.parquet")
    folder = storage.folder("corpus")
    (folder / "batch=a").mkdir()
    (folder / ".data.1234").write_bytes(b"half")
    (folder / "new-1234").mkdir()
    (folder / "new-1234" / "rows").write_bytes(b"half")
    remove_leftovers(folder)
    assert sorted(os.listdir(folder)) == ["batch=a", "data.parquet", "manifest.json"]
    remove_leftovers(storage.folder("never_made"))


def test_all_files_of_a_folder_are_flushed_before_the_manifest_names_them(storage, monkeypatch):
    flushed = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (flushed.append(os.readlink(f"/proc/self/fd/{fd}")), fsync(fd)))
    with storage.new_folder("model") as folder:
        (folder / "merged").mkdir()
        (folder / "merged" / "weights").write_bytes(b"weights")
        storage.commit_folder(manifest({}, asset="model", data_version=""), folder, {"model": "merged"})
    names = [path.rpartition("/")[2] for path in flushed]
    assert {"weights", "merged", "model"} <= set(names)
    (manifest_file,) = (name for name in names if name.startswith(".manifest.json"))
    assert names.index("weights") < names.index("model") < names.index(manifest_file)
    assert names[-1] == "model", "the manifest's own name is flushed too"
