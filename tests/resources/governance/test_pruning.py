import fcntl
import os
from datetime import UTC, datetime, timedelta

import pytest
from support.places import asset_folder
from support.storage import BATCHES, read, write_ledger

from fineline.resources.core.recipe.operations import Retention
from fineline.resources.core.storage.integrity import read_last_whole, whole_file
from fineline.resources.core.storage.store import Damaged
from fineline.resources.governance.pruning import removable, remove

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def storage(storage):
    """A storage of today, in which nothing is to be removed."""
    age_all(storage, days=0)
    return storage


def age(path, days):
    then = (NOW - timedelta(days=days)).timestamp()
    os.utime(path, (then, then))


def put(path, days=0):
    """A file of so many days, in folders of the same age."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 10)
    age(path, days)
    age(path.parent, days)
    return path


def found(storage, offered=BATCHES, **section):
    removals = removable(storage, Retention(**section), offered, NOW)
    return [(each.kind, each.key) for each in removals]


def age_all(storage, days):
    for path in storage.local.folder.rglob("*"):
        age(path, days)


def test_nothing_that_a_manifest_names_is_ever_removed(storage):
    age_all(storage, days=5000)
    assert found(storage, runs_days=1, batches_days=1, checkpoints=0) == []


def test_of_unfinished_trainings_the_newest_of_each_model_keep_their_checkpoints(storage):
    for name, days in (("sft_model-aa", 3), ("sft_model-bb", 1), ("sft_model-cc", 2), ("aligned_model-aa", 9)):
        put(storage.local.folder / "checkpoints" / name / "checkpoint-10" / "weights", days)
        age(storage.local.folder / "checkpoints" / name, days)
    assert found(storage) == [
        ("checkpoints", "checkpoints/sft_model-cc"),
        ("checkpoints", "checkpoints/sft_model-aa"),
    ]
    assert found(storage, checkpoints=2) == [("checkpoints", "checkpoints/sft_model-aa")]
    assert len(found(storage, checkpoints=0)) == 4


def test_what_a_killed_run_left_is_removed_after_a_day(storage):
    for folder in (asset_folder(storage, "splits"), asset_folder(storage, "raw_corpus", "notes/1")):
        put(folder / ".data.0123", days=2)
        put(folder / "data-0123456789abcdef.parquet", days=2)
        put(folder / "new-abc" / "weights", days=2)
        put(folder / ".drops.0123", days=0.5)
    assert [path.rpartition("/")[2] for _, path in found(storage)] == [
        ".data.0123", "data-0123456789abcdef.parquet", "new-abc",
    ] * 2  # fmt: skip


def test_a_memory_that_is_to_be_restored_outlives_every_prune(storage):
    memory = storage.local.path(storage.key(storage.require("splits"), "history"))
    content, before = memory.read_bytes(), read(storage, "splits", role="history")
    memory.write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:])
    age_all(storage, days=5000)
    with pytest.raises(Damaged, match="is damaged"):
        whole_file(storage, storage.require("splits"), "history")
    remove(storage, removable(storage, Retention(runs_days=1), BATCHES, NOW))
    with pytest.raises(Damaged, match="Restore the file"):
        read_last_whole(storage, "splits", "history")
    memory.write_bytes(content)
    assert read_last_whole(storage, "splits", "history").equals(before)


def test_beside_what_a_set_aside_manifest_names_a_killed_run_s_files_go(storage):
    storage.set_aside(storage.require("raw_corpus", "notes/1"))
    put(asset_folder(storage, "raw_corpus", "notes/1") / "data-0123456789abcdef.parquet", days=2)
    assert found(storage) == [("leftover", "assets/raw_corpus/batch=notes%2F1/data-0123456789abcdef.parquet")]


def test_a_folder_whose_manifest_cannot_be_read_stays_as_it_is(storage):
    age_all(storage, days=5000)
    (asset_folder(storage, "splits") / "manifest.json").write_text("{")
    assert found(storage, runs_days=1) == []


def test_a_folder_without_a_manifest_is_kept_as_long_as_runs_are(storage):
    (asset_folder(storage, "splits") / "manifest.json").unlink()
    for path in asset_folder(storage, "splits").iterdir():
        age(path, days=30)
    assert found(storage, runs_days=60) == []
    assert {kind for kind, _ in found(storage, runs_days=29)} == {"leftover"}


def test_tables_of_a_batch_that_is_gone_stay_while_something_is_made_from_them(storage):
    age_all(storage, days=50)
    assert found(storage, offered=BATCHES[1:], batches_days=30) == []


@pytest.fixture
def without_first_batch(storage):
    """The merged tables made again without the first batch, which their source no longer offers."""
    for asset in ("duplicate_clusters", "splits", "record_ledger"):
        path = asset_folder(storage, asset) / "manifest.json"
        manifest = storage.require(asset)
        kept = {name: version for name, version in manifest.inputs.items() if "notes/1" not in name}
        path.write_text(manifest.model_copy(update={"inputs": kept}).model_dump_json())
    curated = storage.require("curated_corpus")
    kept = {name: version for name, version in curated.inputs.items() if "notes/1" not in name}
    (asset_folder(storage, "curated_corpus") / "manifest.json").write_text(
        curated.model_copy(update={"inputs": kept}).model_dump_json()
    )
    age_all(storage, days=50)
    return storage


def test_tables_of_a_batch_that_is_gone_are_removed_once_nothing_is_made_from_them(without_first_batch):
    gone = found(without_first_batch, offered=BATCHES[1:], batches_days=30)
    assert gone == [
        ("batch", "assets/minhash_signatures/batch=notes%2F1"),
        ("batch", "assets/raw_corpus/batch=notes%2F1"),
        ("batch", "assets/scrubbed_corpus/batch=notes%2F1"),
    ]


@pytest.mark.parametrize("section", [{}, {"batches_days": 51}])
def test_they_are_kept_where_the_recipe_does_not_say_or_not_yet(without_first_batch, section):
    assert found(without_first_batch, offered=BATCHES[1:], **section) == []


def test_a_batch_that_is_still_offered_is_kept_also_where_nothing_is_made_from_it(without_first_batch):
    assert found(without_first_batch, batches_days=30) == []


def test_what_is_removed_is_gone_with_its_size_told_and_the_rest_reads_as_before(storage):
    put(asset_folder(storage, "splits") / "new-abc" / "weights", days=2)
    put(asset_folder(storage, "splits") / ".data.0123", days=2)
    removals = removable(storage, Retention(), BATCHES, NOW)
    removed, busy = remove(storage, removals)
    assert busy == []
    assert sum(each.size for each in removed) >= 20
    assert not any(each.root.exists(each.key) for each in removed)
    assert removable(storage, Retention(), BATCHES, NOW) == []
    before = storage.require("record_ledger").data_version
    write_ledger(storage)
    assert storage.require("record_ledger").data_version == before
    assert read(storage, "splits").height == 41


def test_what_is_of_an_asset_that_a_run_makes_is_left(storage):
    put(asset_folder(storage, "splits") / ".data.0123", days=2)
    put(asset_folder(storage, "curated_corpus") / ".data.0123", days=2)
    removals = removable(storage, Retention(), BATCHES, NOW)
    (storage.local.folder / "locks").mkdir(exist_ok=True)
    with (storage.local.folder / "locks" / "splits.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        removed, busy = remove(storage, removals)
    assert ([each.asset for each in removed], [each.asset for each in busy]) == (["curated_corpus"], ["splits"])
    assert busy[0].root.exists(busy[0].key)


def test_the_lock_is_the_one_that_a_run_holds(storage):
    put(asset_folder(storage, "splits") / ".data.0123", days=2)
    with storage.root.lock("splits"):
        removed, busy = remove(storage, removable(storage, Retention(), BATCHES, NOW))
    assert (len(removed), len(busy)) == (0, 1)


def test_what_a_reader_of_an_older_version_may_read_is_left(storage):
    old = put(asset_folder(storage, "splits") / "data-0123456789abcdef.parquet", days=3)
    with storage.reading(["splits"]):
        removed, busy = remove(storage, removable(storage, Retention(), BATCHES, NOW))
        assert (len(removed), len(busy)) == (0, 1)
        assert old.exists()
    removed, _ = remove(storage, removable(storage, Retention(), BATCHES, NOW))
    assert len(removed) == 1
