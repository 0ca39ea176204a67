import dagster as dg
import pytest
from support.places import asset_folder

from fineline.jobs.recorded import record_what_is_stored
from fineline.resources.core.storage.files import write_atomically
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Storage
from fineline.resources.planning.waves import Task

BATCHES = dg.DynamicPartitionsDefinition(name="batches")


@dg.asset(partitions_def=BATCHES)
def raw_corpus() -> None: ...


@dg.asset(deps=[raw_corpus])
def splits() -> None: ...


DEFINITIONS = dg.Definitions(assets=[raw_corpus, splits])
TASKS = [Task("raw_corpus", "docs/1", None, False), Task("raw_corpus", "docs/2", None, False)]
TASKS.append(Task("splits", None, None, False))


@pytest.fixture
def storage(tmp_path):
    storage = Storage(tmp_path)
    for task in TASKS:
        put(storage, task, "v1")
    return storage


def put(storage, task, version):
    write_atomically(asset_folder(storage, task.asset, task.batch) / version, b"")
    storage.commit(
        Manifest(
            asset=task.asset,
            batch=task.batch,
            data_version=version,
            code_version="1",
            inputs={},
            files={"data": version},
            run_id="r",
        )
    )


def test_what_is_stored_and_not_recorded_is_recorded_once(storage, instance):
    assert record_what_is_stored(DEFINITIONS, instance, storage, TASKS) == [task.label for task in TASKS]
    assert record_what_is_stored(DEFINITIONS, instance, storage, TASKS) == []


def test_only_the_batch_with_another_version_is_recorded_again(storage, instance):
    record_what_is_stored(DEFINITIONS, instance, storage, TASKS)
    put(storage, TASKS[1], "v2")
    assert record_what_is_stored(DEFINITIONS, instance, storage, TASKS) == ["raw_corpus[docs/2]"]
