"""Faults in real steps of the data half, as the main job runs them."""

import errno
import itertools
import os
import time
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest
from faults.service import RECIPE
from support.batches import give_key, key
from support.corpus import write_corpus
from support.launch import forced
from support.places import asset_folder

from fineline.jobs.definitions import build
from fineline.jobs.runner import RunFailed, make
from fineline.resources.core.storage.faults import MAXIMUM_RETRIES
from fineline.resources.core.storage.holders import working_on
from fineline.resources.data.formats.rows import SourceError
from fineline.resources.data.sources import reading
from fineline.resources.governance.accounting.ledger import find_gaps
from fineline.resources.project import current_project

# For the process that reads.
VANISHING = """
import errno, io
from fineline.resources.data.sources.locations import LocalFile

class Vanishing(io.FileIO):
    def readinto(self, buffer):
        if self.tell() > 0:
            raise OSError(errno.ESTALE, "Stale file handle")
        return super().readinto(memoryview(buffer)[:100])

LocalFile.open = lambda file: Vanishing(file.path)
"""


class World:
    """A corpus and a recipe, made in this process."""

    def __init__(self, folder, instance):
        self.folder, self.instance = folder, instance
        write_corpus(folder / "corpus")
        (folder / "recipe.yaml").write_text(RECIPE.format(corpus="corpus"))
        self.recipe = str(folder / "recipe.yaml")
        give_key(current_project(self.recipe).storage_root)
        self.made = [task.label for task in self.make()]

    @property
    def storage(self):
        return current_project(self.recipe).storage

    def make(self):
        return make(current_project(self.recipe), build(self.recipe), self.instance)[0]

    def fails(self):
        with pytest.raises(RunFailed) as failed:
            self.make()
        return str(failed.value)

    def materialize(self, *assets, force=False):
        keys = [dg.AssetKey(asset) for asset in assets]
        job = build(self.recipe).resolve_job_def("main")
        return job.execute_in_process(
            instance=self.instance,
            asset_selection=keys,
            run_config=forced(*assets) if force else {},
            raise_on_error=False,
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steps")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FINELINE_HOME", str(folder / "home"))
        with dg.DagsterInstance.ephemeral() as instance:
            yield World(folder, instance)


def test_a_damaged_table_stops_who_reads_it_and_the_next_run_makes_it_anew(world):
    before = world.storage.require("curated_corpus")
    path = world.storage.local.path(next(iter(world.storage.keys(before, "data").values())))
    path.write_bytes(path.read_bytes()[:-100])
    made = world.materialize("splits", force=True)
    assert not made.success
    assert "curated_corpus is damaged" in str(made.filter_events(lambda event: event.is_step_failure))
    assert [task.label for task in world.make()] == ["curated_corpus"], "with the same content nothing follows"
    assert world.storage.require("curated_corpus").data_version == before.data_version


def test_the_memory_of_splits_outlives_damage_to_their_table(world):
    stored = world.storage.require("splits")
    memory = world.storage.file(stored, "history").read_bytes()
    world.storage.local.path(next(iter(world.storage.keys(stored, "data").values()))).unlink()
    assert [task.label for task in world.make()] == ["splits"]
    again = world.storage.require("splits")
    assert again.data_version == stored.data_version
    assert world.storage.file(again, "history").read_bytes() == memory


@pytest.mark.parametrize(
    ("error", "failures", "retries", "succeeds"),
    [
        (ConnectionResetError(errno.ECONNRESET, "reset"), 2, 2, True),
        (ConnectionResetError(errno.ECONNRESET, "reset"), 99, MAXIMUM_RETRIES, False),
        (ValueError("there is no column text"), 99, 0, False),
    ],
)
def test_what_may_pass_is_tried_again_a_few_times_and_what_will_not_is_not(
    world, monkeypatch, error, failures, retries, succeeds
):
    tries = itertools.count()

    def fails_at_first(*arguments):
        if next(tries) < failures:
            raise SourceError("the place does not answer") from error
        return find_gaps(*arguments)

    monkeypatch.setattr("fineline.resources.core.storage.faults.FIRST_WAIT", 0.01)
    monkeypatch.setattr("fineline.resources.governance.accounting.ledger.find_gaps", fails_at_first)
    made = world.materialize("record_ledger", force=True)
    assert made.success is succeeds
    assert len(made.filter_events(lambda event: event.is_step_up_for_retry)) == retries
    for failure in made.filter_events(lambda event: event.is_step_failure):
        assert "the place does not answer" in str(failure.step_failure_data.error)


def test_a_step_that_waits_for_the_lock_of_its_table_logs_for_whom(world, monkeypatch):
    monkeypatch.setattr("fineline.resources.core.storage.holders.FIRST_TOLD", 0.05)
    with ThreadPoolExecutor(1) as pool:
        with working_on("fineline forget"), world.storage.root.lock("record_ledger"):
            made = pool.submit(world.materialize, "record_ledger")
            while not world.storage.root.waits():
                time.sleep(0.01)
            time.sleep(0.5)
        assert made.result(60).success
    (run,) = world.instance.get_runs(limit=1)
    (told, *_) = [each.user_message for each in world.instance.all_logs(run.run_id) if "waits for" in each.user_message]
    assert told.startswith(f"run {run.run_id[:8]}, record_ledger (process ")
    assert "waits for the lock 'record_ledger', which fineline forget (process " in told


def test_a_full_disk_in_a_step_is_told_with_what_to_do_and_the_run_goes_on_later(world, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    asset_folder(world.storage, "record_quality").joinpath("manifest.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr("pyarrow.parquet.ParquetWriter.write_table", full)
        said = world.fails()
    assert "record_quality: the disk is full: writing to" in said
    assert "FINELINE_HOME=" in said
    leftovers = [path.name for path in asset_folder(world.storage, "record_quality").iterdir() if path.name[0] == "."]
    assert leftovers == []
    assert [task.label for task in world.make()] == ["record_quality"]


def test_a_source_that_vanishes_half_way_is_told_and_what_is_stored_of_it_stays(world, monkeypatch, tmp_path):
    path = world.folder / "corpus" / "first.jsonl"
    content = path.read_bytes()
    path.write_bytes(content + content.partition(b"\n")[0] + b"\n")
    before = world.storage.require("raw_corpus", key("colours/first.jsonl"))

    (tmp_path / "sitecustomize.py").write_text(VANISHING)
    monkeypatch.setattr("fineline.resources.core.storage.faults.FIRST_WAIT", 0.01)
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        reading.end_idle()
        said = world.fails()
        reading.end_idle()
    (run,) = world.instance.get_runs(limit=1)
    retries = world.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY)
    assert len(retries) == MAXIMUM_RETRIES, "a stale handle may pass"
    assert f"cannot read {key('colours/first.jsonl')}: Stale file handle" in said
    assert "What is complete is kept" in said
    assert world.storage.require("raw_corpus", key("colours/first.jsonl")) == before
    path.write_bytes(content)
    assert world.make() == []
