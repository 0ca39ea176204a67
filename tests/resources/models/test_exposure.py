import polars as pl
import pytest
from support.places import asset_folder

from fineline.data_contracts.models import ExposedRecord
from fineline.data_contracts.records import SPLITS
from fineline.resources.core.storage.files import write_atomically
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Storage
from fineline.resources.models import exposure
from fineline.resources.models.exposure import ExposedModel


def record_id(number):
    return f"{number:032x}"


def tombstone(number):
    return f"{number:x}".rjust(32, "f")


@pytest.fixture
def storage(tmp_path):
    """Two data sets, and models trained one from the other: sft_model saw 0 to 3, aligned_model also 4."""
    storage = Storage(tmp_path / "root")
    put_dataset(storage, "sft_dataset", {0: "train", 1: "train", 2: "validation", 3: "train", 9: "test"})
    put_dataset(storage, "preference_dataset", {3: "validation", 4: "train", 9: "test"})
    put_model(storage, "base_model", None)
    train(storage, "sft_model", "sft_dataset", "base_model")
    train(storage, "aligned_model", "preference_dataset", "sft_model")
    put_model(storage, "release", exposure.read(storage, "aligned_model"))
    return storage


def put_dataset(storage, name, splits):
    rows = pl.DataFrame({"record_id": [record_id(n) for n in splits], "split": list(splits.values())})
    folder = asset_folder(storage, name)
    folder.mkdir(parents=True, exist_ok=True)
    rows.cast({"split": pl.Enum(SPLITS)}).write_parquet(folder / "data.parquet")
    storage.commit(manifest(name, {"data": "data.parquet"}))


def put_model(storage, name, records):
    files = {} if records is None else {exposure.ROLE: exposure.write(storage, name, records)}
    flags = [] if records is None else exposure.flags(records)
    with storage.new_folder(name) as folder:
        (folder / "weights").write_text(name)
        storage.commit_folder(manifest(name, files, flags=flags), folder, {"model": "weights"})


def manifest(asset, files, **values):
    standing = {"batch": None, "data_version": f"{asset} v1", "code_version": "1", "inputs": {}, "run_id": "run"}
    return Manifest(asset=asset, files=files, **standing, **values)


def train(storage, model, dataset, before):
    checkpoints = storage.local.folder / "checkpoints" / f"{model}-1"
    exposure.begin_training(storage, checkpoints, dataset, before)
    put_model(storage, model, exposure.in_training(checkpoints))
    (checkpoints / "exposure.parquet").unlink()


def ids(table):
    return sorted(set(table["record_id"]))


def forget(storage, *numbers, request="R-17"):
    return exposure.mark_forgotten(storage, {record_id(n): tombstone(n) for n in numbers}, request)


def test_a_model_saw_train_and_validation_rows_and_no_test_rows(storage):
    table = ExposedRecord.validate(exposure.read(storage, "sft_model"))
    assert dict(table.select("record_id", "split").iter_rows()) == {
        record_id(0): "train",
        record_id(1): "train",
        record_id(2): "validation",
        record_id(3): "train",
    }
    assert set(table["dataset"]) == {"sft_dataset"}


def test_a_model_saw_what_the_model_that_it_was_trained_from_saw(storage):
    table = ExposedRecord.validate(exposure.read(storage, "aligned_model"))
    assert ids(table) == [record_id(n) for n in range(5)]
    assert table.filter(record_id=record_id(3))["dataset"].sort().to_list() == ["preference_dataset", "sft_dataset"]


def test_a_model_that_was_trained_elsewhere_saw_no_record(storage):
    assert exposure.read(storage, "base_model").is_empty()
    assert exposure.forgotten_records(storage, "base_model") == 0


def test_who_saw_records_is_counted_by_model(storage):
    versions = {name: storage.require(name).data_version for name in ("sft_model", "aligned_model", "release")}
    assert exposure.exposed_models(storage, [record_id(1), record_id(4), record_id(9)]) == [
        ExposedModel("aligned_model", versions["aligned_model"], 2),
        ExposedModel("release", versions["release"], 2),
        ExposedModel("sft_model", versions["sft_model"], 1),
    ]
    assert exposure.exposed_models(storage, [record_id(9)]) == []


def test_a_forgotten_record_is_a_tombstone_in_every_list_and_models_are_flagged(storage):
    forget(storage, 1, 4, 9)
    for name, count in {"sft_model": 1, "aligned_model": 2, "release": 2}.items():
        table = ExposedRecord.validate(exposure.read(storage, name))
        assert not {record_id(1), record_id(4)} & set(ids(table))
        assert ids(table.filter("forgotten")) == [tombstone(n) for n in (1, 4)[:count]]
        assert exposure.forgotten_records(storage, name) == count
        noun = "record" if count == 1 else "records"
        assert storage.require(name).flags == [f"saw {count} {noun} forgotten by request R-17"]
        assert "R-17" in exposure.flags_metadata(storage.require(name))["flags"]


def test_no_file_names_a_forgotten_record(storage):
    write_atomically(asset_folder(storage, "sft_model") / "exposure-0123.parquet", record_id(1).encode())
    forget(storage, 1)
    for path in storage.local.folder.rglob("exposure-*.parquet"):
        table = pl.read_parquet(path)
        assert record_id(1) not in set(table["record_id"])


def test_flags_change_no_data_version_and_leave_the_weights(storage):
    before = storage.require("sft_model")
    forget(storage, 1)
    after = storage.require("sft_model")
    assert after.data_version == before.data_version
    assert storage.file(after, "model").read_text() == "sft_model"
    assert after.model_copy(update={"files": before.files, "flags": []}) == before


def test_forgetting_twice_changes_nothing_and_still_says_who_saw_it(storage):
    first = forget(storage, 1)
    times = [path.stat().st_mtime_ns for path in sorted(asset_folder(storage, "sft_model").iterdir())]
    assert forget(storage, 1) == first
    assert [sighting.asset for sighting in first] == ["aligned_model", "release", "sft_model"]
    assert [path.stat().st_mtime_ns for path in sorted(asset_folder(storage, "sft_model").iterdir())] == times


def test_forgetting_that_was_cut_off_is_completed_by_the_same_call(storage, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(exposure, "_remove_unnamed", stop)
        with pytest.raises(KeyboardInterrupt):
            forget(storage, 1)
    assert len(list(asset_folder(storage, "sft_model").glob("exposure-*.parquet"))) == 2
    forget(storage, 1)
    assert len(list(asset_folder(storage, "sft_model").glob("exposure-*.parquet"))) == 1


def test_each_request_has_its_line(storage):
    forget(storage, 1)
    forget(storage, 0, 2, request="R-18")
    assert storage.require("sft_model").flags == [
        "saw 1 record forgotten by request R-17",
        "saw 2 records forgotten by request R-18",
    ]


def test_a_folder_that_is_being_made_beside_the_model_is_left_alone(storage):
    with storage.new_folder("sft_model") as folder:
        forget(storage, 1)
        assert folder.exists()


def test_what_is_forgotten_during_a_training_is_marked_in_the_model_that_comes_of_it(storage):
    checkpoints = storage.local.folder / "checkpoints" / "sft_model-2"
    exposure.begin_training(storage, checkpoints, "sft_dataset", "base_model")
    assert ExposedModel("checkpoints/sft_model-2", None, 1) in forget(storage, 1)
    put_model(storage, "sft_model", exposure.in_training(checkpoints))
    assert exposure.forgotten_records(storage, "sft_model") == 1
    assert storage.require("sft_model").flags == ["saw 1 record forgotten by request R-17"]


def test_a_model_trained_from_a_flagged_one_is_flagged(storage):
    forget(storage, 1)
    train(storage, "aligned_model", "preference_dataset", "sft_model")
    assert storage.require("aligned_model").flags == ["saw 1 record forgotten by request R-17"]


def test_the_registry_lists_models_in_the_order_of_their_making(storage):
    forget(storage, 4)
    table = exposure.model_registry(storage)
    assert table["model"].to_list() == ["sft_model", "aligned_model", "release"]
    assert table["records_trained_on"].to_list() == [3, 4, 4]
    assert table["flags"].to_list()[0] == []
    assert table["flags"].to_list()[2] == ["saw 1 record forgotten by request R-17"]
