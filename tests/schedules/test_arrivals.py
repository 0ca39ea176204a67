import os
import threading
import time

import dagster as dg
import pytest
from support.batches import give_key, key
from support.corpus import write_corpus
from support.places import asset_folder

from fineline.jobs.definitions import build
from fineline.resources.core.storage.files import write_atomically
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.data.ingestion.batches import withdraw
from fineline.resources.data.ingestion.scan import scan_sources
from fineline.resources.project import current_project
from fineline.schedules.arrivals import new_batches, sync_arrivals

RECIPE = "name: arrivals\nsources: [{name: colours, kind: files, path: corpus, licence: CC0-1.0}]\n"
FIRST, SECOND, THIRD = (key(f"colours/{name}.jsonl") for name in ("first", "second", "third"))


class Arriving:
    """A recipe with an inbox, Dagster's history of it, and what the conditions of its graph ask for."""

    def __init__(self, folder, instance):
        self.corpus, self.instance, self.cursor = folder / "corpus", instance, None
        write_corpus(self.corpus)
        path = folder / "recipe.yaml"
        path.write_text(RECIPE)
        self.project = current_project(str(path))
        give_key(self.project.storage_root)
        self.definitions = build(str(path))

    def drop(self, name, answer="Because."):
        (self.corpus / f"{name}.jsonl").write_text(f'{{"question": "Why?", "answer": "{answer}"}}\n')

    def settle(self):
        """Let the files rest: the next look takes them."""
        scan_sources(self.project.storage, self.project.recipe.sources, now=time.time() + 10)

    def tick(self):
        """What the sensor says."""
        with dg.build_sensor_context(self.instance, resources={"project": self.project}) as context:
            return new_batches(context).skip_message

    @property
    def partitions(self):
        return sorted(self.instance.get_dynamic_partitions("batches"))

    def events(self, batch):
        """The data versions of a batch that Dagster was told, the newest first."""
        wanted = dg.AssetRecordsFilter(dg.AssetKey("arrivals"), asset_partitions=[batch])
        records = self.instance.fetch_materializations(wanted, limit=100).records
        return [record.asset_materialization.tags["dagster/data_version"] for record in records]

    def asked(self):
        """The batches of raw_corpus that are asked for now; they are stored and recorded as made."""
        result = dg.evaluate_automation_conditions(self.definitions, self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        batches = sorted(result.get_requested_partitions(dg.AssetKey("raw_corpus")))
        spec = next(s for s in self.definitions.resolve_all_asset_specs() if s.key == dg.AssetKey("raw_corpus"))
        for batch in batches:
            storage, arrived = self.project.storage, self.events(batch)[0]
            made = {"asset": "raw_corpus", "batch": batch, "data_version": arrived, "code_version": spec.code_version}
            write_atomically(asset_folder(storage, "raw_corpus", batch) / "data", b"")
            storage.commit(Manifest(**made, inputs={"arrival": arrived}, files={"data": "data"}, run_id="r"))
            tags = {"dagster/data_version": arrived, "dagster/data_version_is_user_provided": "true"}
            self.instance.report_runless_asset_event(dg.AssetMaterialization("raw_corpus", partition=batch, tags=tags))
        return batches


@pytest.fixture
def arriving(tmp_path, monkeypatch, instance):
    monkeypatch.setenv("FINELINE_HOME", str(tmp_path / "home"))
    return Arriving(tmp_path, instance)


def test_the_sensor_adds_a_file_that_arrived_and_starts_no_run(arriving):
    arriving.settle()
    assert arriving.tick() == "2 batches are there"
    arriving.drop("third")
    arriving.settle()
    arriving.tick()
    assert arriving.partitions == sorted([FIRST, SECOND, THIRD])
    assert arriving.instance.get_runs() == []


def test_a_tick_says_what_waits_what_repeats_and_what_is_gone_without_names_and_content(arriving):
    arriving.settle()
    arriving.asked()
    arriving.tick()
    arriving.asked()
    (arriving.corpus / "second.jsonl").unlink()
    (arriving.corpus / "again.jsonl").write_text((arriving.corpus / "first.jsonl").read_text())
    arriving.settle()
    arriving.drop("late", "Margaret Thompson")
    arriving.drop("copied.jsonl.part", "Margaret Thompson")
    (arriving.corpus / "copied.jsonl.part.jsonl").rename(arriving.corpus / "copied.jsonl.part")
    waiting = {"copied.jsonl.part": "until it is renamed", "late.jsonl": "until nobody writes to it"}
    listed = sorted(f"{key(f'colours/{name}')} ({why})" for name, why in waiting.items())
    assert arriving.tick() == (
        f"2 batches are there. 1 gone, kept as stored: {SECOND}. 2 waiting: {', '.join(listed)}. "
        f"1 repeats: {key('colours/again.jsonl')} (of {FIRST})"
    )


def test_a_tick_says_so_when_a_source_cannot_be_looked_at_and_an_empty_inbox_is_none(arriving):
    for path in arriving.corpus.iterdir():
        path.unlink()
    assert arriving.tick() == "0 batches are there. 1 without a batch: colours"
    arriving.corpus.rmdir()
    assert "1 cannot be scanned: colours (there is nothing at" in arriving.tick()


def test_each_new_or_changed_batch_is_one_event_and_asked_for_once(arriving):
    arriving.settle()
    assert arriving.asked() == []
    arriving.tick()
    assert arriving.asked() == sorted([FIRST, SECOND])
    assert arriving.asked() == []
    arriving.drop("third")
    arriving.settle()
    arriving.tick()
    arriving.tick()
    assert arriving.asked() == [THIRD]
    arriving.drop("third", "So.")
    arriving.settle()
    arriving.tick()
    assert [arriving.asked() for _ in range(3)] == [[THIRD], [], []]
    assert [len(arriving.events(batch)) for batch in (FIRST, SECOND, THIRD)] == [1, 1, 2]


def test_touched_renamed_and_sent_again_a_file_asks_for_nothing(arriving):
    arriving.settle()
    arriving.tick()
    arriving.asked()
    os.utime(arriving.corpus / "first.jsonl")
    (arriving.corpus / "second.jsonl").rename(arriving.corpus / "renamed.jsonl")
    (arriving.corpus / "again.jsonl").write_text((arriving.corpus / "first.jsonl").read_text())
    arriving.settle()
    arriving.tick()
    assert arriving.asked() == []
    assert arriving.partitions == sorted([FIRST, SECOND])
    assert [len(arriving.events(batch)) for batch in (FIRST, SECOND)] == [1, 1]


def test_an_event_carries_a_version_on_which_conditions_of_dagsters_own_fire_once(arriving):
    changed = dg.AutomationCondition.any_deps_match(dg.AutomationCondition.data_version_changed())
    arrivals = next(s for s in arriving.definitions.resolve_all_asset_specs() if s.key == dg.AssetKey("arrivals"))

    @dg.asset(deps=[arrivals], partitions_def=arrivals.partitions_def, automation_condition=changed, name="follower")
    def _follower():
        pass

    graph = dg.Definitions(assets=[arrivals, _follower])
    arriving.settle()
    arriving.tick()
    cursor = dg.evaluate_automation_conditions(graph, arriving.instance).cursor
    asked = []
    for answer in (None, "Because.", None, "So.", "So.", None):
        if answer:
            arriving.drop("first", answer)
        arriving.settle()
        arriving.tick()
        result = dg.evaluate_automation_conditions(graph, arriving.instance, cursor=cursor)
        cursor = result.cursor
        asked.append(sorted(result.get_requested_partitions(dg.AssetKey("follower"))))
    assert asked == [[], [FIRST], [], [FIRST], [], []]


def test_two_that_look_at_the_same_time_tell_each_batch_once(arriving):
    arriving.settle()
    project = arriving.project
    threads = [
        threading.Thread(target=sync_arrivals, args=(arriving.instance, project.storage, project.recipe.sources))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(arriving.events(batch)) for batch in (FIRST, SECOND)] == [1, 1]


def test_what_a_look_had_no_time_to_tell_the_next_one_tells(arriving, monkeypatch):
    arriving.settle()
    with monkeypatch.context() as patch:
        patch.setattr("fineline.schedules.arrivals.SECONDS_OF_EVENTS", -1.0)
        arriving.tick()
    assert arriving.events(FIRST) == []
    arriving.tick()
    assert len(arriving.events(FIRST)) == 1


def test_a_batch_that_vanished_stays_a_partition_and_one_that_was_withdrawn_does_not(arriving):
    arriving.settle()
    arriving.tick()
    arriving.asked()
    (arriving.corpus / "first.jsonl").unlink()
    arriving.tick()
    assert arriving.partitions == sorted([FIRST, SECOND])
    withdraw(arriving.project.storage, [FIRST])
    arriving.tick()
    assert arriving.partitions == [SECOND]


def test_sources_that_the_recipe_does_not_name_any_more_leave_the_partitions(arriving):
    arriving.settle()
    arriving.tick()
    sync_arrivals(arriving.instance, arriving.project.storage, [])
    assert arriving.partitions == []


def test_the_definitions_of_a_recipe_hold_both_sensors_and_what_arrives_is_made_by_nobody(arriving):
    assert {sensor.name for sensor in arriving.definitions.sensors} >= {"follow_data", "new_batches"}
    arrivals = arriving.definitions.resolve_asset_graph().get(dg.AssetKey("arrivals"))
    assert not arrivals.is_materializable
    assert arrivals.child_keys == {dg.AssetKey("raw_corpus")}
    assert new_batches.minimum_interval_seconds == 10
