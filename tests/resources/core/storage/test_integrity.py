import polars as pl
import pytest

from fineline.data_contracts.accounting import Drop
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.files import write_atomically
from fineline.resources.core.storage.integrity import find_damaged, read_last_whole, whole_file
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Damaged
from fineline.resources.core.storage.tables import Origin, TableOutput, write_table

DROPS = pl.DataFrame(
    {"record_id": "1", "source": "docs", "batch": "docs/1", "asset": "splits", "fate": "dropped", "rule": "r"},
).with_columns(detail=pl.lit(None, pl.String))


@pytest.fixture
def table(storage):
    output = TableOutput(DROPS.cast(Drop.create_empty().schema), rows_in=1, exports={"train.jsonl": b"{}\n"})
    return write_table(storage, "drops", "docs/1", output, Drop, Origin("1", {}, "r"), maximum_quarantine=0).manifest


@pytest.fixture
def model(storage):
    with storage.new_folder("model") as folder:
        write_atomically(folder / "merged" / "weights", b"weights")
        write_atomically(folder / "adapter" / "weights", b"adapter")
        write_atomically(folder / "log.txt", b"of no matter")
        # As the list of what it saw, which is stored beside the folder.
        seen = storage.add("model", None, "seen.parquet", b"seen")
        standing = Manifest(
            asset="model", batch=None, data_version="", code_version="1", inputs={}, files={"seen": seen}, run_id="r"
        )
        return storage.commit_folder(standing, folder, {"model": "merged", "adapter": "adapter"})


def test_what_was_stored_is_whole(storage, table, model):
    assert [role for role in table.roles if find_damaged(storage, table, role)] == []
    assert [role for role in model.roles if find_damaged(storage, model, role)] == []


@pytest.mark.parametrize("role", ["data", "drops", "train"])
@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b[:-2] + bytes([b[-2] ^ 1]) + b[-1:]])
def test_a_damaged_file_is_named_and_its_table_counts_as_not_stored(storage, table, role, damage):
    key = storage.key(table, role)
    storage.root.put(key, damage(storage.root.get(key).content))
    with pytest.raises(Damaged, match=rf"drops\[docs/1\] is damaged: .*{table.files[role]} .*run again"):
        whole_file(storage, table, role)
    assert storage.manifest("drops", "docs/1") is None
    assert storage.last_stored("drops", "docs/1") == table


def test_a_damaged_model_is_found_and_what_is_stored_beside_its_parts_does_not_count(storage, model):
    folder = storage.key(model, "model").rpartition("/")[0]
    storage.root.put(f"{folder}/log.txt", b"another")
    assert find_damaged(storage, model, "model") is None
    storage.root.put(f"{folder}/merged/weights", b"weightS")
    with pytest.raises(Damaged, match="model is damaged"):
        whole_file(storage, model, "adapter")


def test_a_table_that_was_stored_again_meanwhile_is_not_set_aside(storage, table):
    storage.root.put(storage.key(table, "data"), b"")
    newer = table.model_copy(update={"run_id": "another"})
    storage.commit(newer)
    with pytest.raises(Damaged):
        whole_file(storage, table, "data")
    assert storage.manifest("drops", "docs/1") == newer


def test_an_unchanged_file_is_read_through_only_once(on_disk, monkeypatch):
    stored = on_disk.add("corpus", None, "data.parquet", b"rows")
    about = {"asset": "corpus", "batch": None, "data_version": "", "code_version": "1", "inputs": {}, "run_id": "r"}
    manifest = Manifest(files={"data": stored}, **about)
    whole_file(on_disk, manifest, "data")
    monkeypatch.setattr("fineline.resources.core.storage.disk.file_digest", None)
    assert whole_file(on_disk, manifest, "data").exists()


def test_what_nothing_else_can_restore_outlives_damage_to_the_rest_and_is_never_given_up_silently(storage):
    assert read_last_whole(storage, "splits", "history") is None
    history = pl.DataFrame({"a": [1]})
    output = TableOutput(DROPS.cast(Drop.create_empty().schema), rows_in=1, side_tables={"history": history})
    stored = write_table(storage, "splits", None, output, Drop, Origin("1", {}, "r"), maximum_quarantine=0).manifest
    (data,) = storage.keys(stored, "data").values()
    storage.root.put(data, b"")
    with pytest.raises(Damaged):
        whole_file(storage, stored, "data")
    assert read_last_whole(storage, "splits", "history").equals(history)
    storage.root.delete(data)
    assert read_last_whole(storage, "splits", "history").equals(history)
    storage.root.put(storage.key(stored, "history"), b"")
    with pytest.raises(Damaged, match=r"from nothing else.*delete"):
        read_last_whole(storage, "splits", "history")


def test_a_file_beside_a_model_folder_is_no_part_of_it(storage):
    with storage.new_folder("sft_model") as folder:
        (folder / "merged").mkdir()
        (folder / "merged" / "weights").write_bytes(b"1")
        storage.root.put(f"{layout.folder('sft_model')}/seen-0123456789abcdef.parquet", b"seen")
        about = {"asset": "sft_model", "batch": None, "data_version": "", "code_version": "1"}
        manifest = Manifest(**about, inputs={}, run_id="r", files={"seen": "seen-0123456789abcdef.parquet"})
        manifest = storage.commit_folder(manifest, folder, {"model": "merged"})
    assert find_damaged(storage, manifest, "model") is None
