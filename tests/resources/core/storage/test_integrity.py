import hashlib

import polars as pl
import pytest

from fineline.data_contracts.accounting import Drop
from fineline.resources.core.storage.files import write_atomically
from fineline.resources.core.storage.integrity import is_whole, last_whole, whole_file
from fineline.resources.core.storage.store import Damaged, Manifest, Storage
from fineline.resources.core.storage.tables import Origin, TableOutput, write_table

DROPS = pl.DataFrame(
    {"record_id": "1", "source": "docs", "batch": "docs/1", "stage": "splits", "fate": "dropped", "rule": "r"},
).with_columns(detail=pl.lit(None, pl.String))


@pytest.fixture
def storage(tmp_path):
    return Storage(tmp_path)


@pytest.fixture
def table(storage):
    made = TableOutput(DROPS.cast(Drop.create_empty().schema), rows_in=1, exports={"train.jsonl": b"{}\n"})
    return write_table(storage, "drops", "docs/1", made, Drop, Origin("1", {}, "r"), maximum_quarantine=0).manifest


@pytest.fixture
def model(storage):
    with storage.new_folder("model") as folder:
        write_atomically(folder / "merged" / "weights", b"weights")
        write_atomically(folder / "adapter" / "weights", b"adapter")
        write_atomically(folder / "log.txt", b"of no matter")
        # As the list of what it saw, which lies beside the folder.
        seen = f"seen-{hashlib.sha256(b'seen').hexdigest()[:16]}.parquet"
        write_atomically(storage.folder("model") / seen, b"seen")
        standing = Manifest(
            asset="model", batch=None, data_version="", code_version="1", inputs={}, files={"seen": seen}, run_id="r"
        )
        return storage.commit_folder(standing, folder, {"model": "merged", "adapter": "adapter"})


def test_what_was_stored_is_whole(storage, table, model):
    assert [role for role in table.files if not is_whole(storage, table, role)] == []
    assert [role for role in model.files if not is_whole(storage, model, role)] == []


@pytest.mark.parametrize("role", ["data", "drops", "train"])
@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b[:-2] + bytes([b[-2] ^ 1]) + b[-1:]])
def test_a_damaged_file_is_named_and_its_table_counts_as_not_made(storage, table, role, damage):
    path = whole_file(storage, table, role)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(Damaged, match=r"drops\[docs/1\] is damaged: .*run again"):
        whole_file(storage, table, role)
    assert storage.manifest("drops", "docs/1") is None
    assert storage.last_stored("drops", "docs/1") == table


def test_a_damaged_model_is_found_and_what_lies_beside_its_parts_does_not_count(storage, model):
    weights = whole_file(storage, model, "model") / "weights"
    write_atomically(weights.parent.parent / "log.txt", b"another")
    assert is_whole(storage, model, "model")
    weights.write_bytes(b"weightS")
    with pytest.raises(Damaged, match="model is damaged"):
        whole_file(storage, model, "adapter")


def test_a_table_that_was_made_anew_meanwhile_is_not_set_aside(storage, table):
    path = storage.file(table, "data")
    path.write_bytes(b"")
    newer = table.model_copy(update={"run_id": "another"})
    storage.commit(newer)
    with pytest.raises(Damaged):
        whole_file(storage, table, "data")
    assert storage.manifest("drops", "docs/1") == newer


def test_an_unchanged_file_is_read_through_only_once(storage, table, monkeypatch):
    whole_file(storage, table, "data")
    monkeypatch.setattr("fineline.resources.core.storage.disk.file_digest", None)
    assert whole_file(storage, table, "data").exists()


def test_what_can_be_made_from_nothing_else_outlives_damage_to_the_rest_and_is_never_given_up_silently(storage):
    assert last_whole(storage, "splits", "history") is None
    made = TableOutput(
        DROPS.cast(Drop.create_empty().schema), rows_in=1, side_tables={"history": pl.DataFrame({"a": [1]})}
    )
    stored = write_table(storage, "splits", None, made, Drop, Origin("1", {}, "r"), maximum_quarantine=0).manifest
    memory = last_whole(storage, "splits", "history")
    storage.file(stored, "data").write_bytes(b"")
    with pytest.raises(Damaged):
        whole_file(storage, stored, "data")
    assert last_whole(storage, "splits", "history") == memory
    storage.file(stored, "data").unlink()
    assert last_whole(storage, "splits", "history") == memory
    memory.write_bytes(b"")
    with pytest.raises(Damaged, match=r"from nothing else.*delete"):
        last_whole(storage, "splits", "history")


def test_a_file_beside_a_model_folder_is_no_part_of_it(tmp_path):
    storage = Storage(tmp_path)
    with storage.new_folder("sft_model") as folder:
        (folder / "merged").mkdir()
        (folder / "merged" / "weights").write_bytes(b"1")
        (storage.folder("sft_model") / "seen-0123456789abcdef.parquet").write_bytes(b"seen")
        about = {"asset": "sft_model", "batch": None, "data_version": "", "code_version": "1"}
        manifest = Manifest(**about, inputs={}, run_id="r", files={"seen": "seen-0123456789abcdef.parquet"})
        manifest = storage.commit_folder(manifest, folder, {"model": "merged"})
    assert is_whole(storage, manifest, "model")
