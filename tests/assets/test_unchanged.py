"""Whoever asks for it, what is up to date is not made again."""

import json
import os
import threading

import dagster as dg
import pytest
from support.batches import give_key, key
from support.corpus import write_corpus, write_recipe
from support.launch import forced

from fineline.assets.execution.tables import TableRun
from fineline.jobs.definitions import build
from fineline.resources.project import current_project
from fineline.schedules.arrivals import sync_arrivals

CORPUS = ["raw_corpus", "scrubbed_corpus", "minhash_signatures"]
FIRST, SECOND = key("colours/first.jsonl"), key("colours/second.jsonl")
# In Dagster's order.
BATCHES = sorted([FIRST, SECOND])


class World:
    """The per-batch assets of two batches, made once."""

    def __init__(self, folder, instance):
        self.folder, self.instance = folder, instance
        write_corpus(folder / "corpus")
        text = write_recipe(folder).read_text()
        kept = text[: text.index("  - {name: notes")] + text[text.index("scrub:") : text.index("datasets:")]
        self.recipe = folder / "small.yaml"
        self.recipe.write_text(kept.replace("scrub: {", "scrub: {ner: spacy, "))
        self.project = current_project(str(self.recipe))
        give_key(self.project.storage_root)
        self.first = self.ask()

    def ask(self, assets=CORPUS, batches=BATCHES, force=False, only=()):
        """One run over all batches, as a click on Materialize all would start it."""
        for path in (self.folder / "corpus").iterdir():
            os.utime(path, (0, 0))
        sync_arrivals(self.instance, self.project.storage, self.project.recipe.sources)
        tags = {"dagster/asset_partition_range_start": batches[0], "dagster/asset_partition_range_end": batches[-1]}
        keys = [dg.AssetKey(name) for name in assets]
        job = build(str(self.recipe)).resolve_job_def("main")
        return job.execute_in_process(
            instance=self.instance,
            asset_selection=keys,
            tags=tags,
            run_config=forced(*assets, batches=list(only)) if force else {},
            raise_on_error=False,
        )

    def times(self):
        stored = self.project.storage
        return {(asset, batch): stored.require(asset, batch).made_at for asset in CORPUS for batch in BATCHES}

    def latest(self, asset, batch):
        wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[batch])
        (record,) = self.instance.fetch_materializations(wanted, limit=1).records
        return record.asset_materialization


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unchanged")
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        patch.setenv("FINELINE_HOME", str(folder / "home"))
        yield World(folder, instance)


def outcomes(result):
    checks = result.get_asset_check_evaluations()
    return {(check.asset_key, check.check_name): (check.passed, check.severity) for check in checks}


def test_what_is_up_to_date_is_published_again_as_it_was_and_not_made(world):
    assert world.first.success
    times = world.times()
    before = {(asset, batch): world.latest(asset, batch) for asset in CORPUS for batch in BATCHES}
    again = world.ask()
    assert again.success
    assert world.times() == times
    for (asset, batch), was in before.items():
        now = world.latest(asset, batch)
        assert now.tags["dagster/data_version"] == was.tags["dagster/data_version"]
        assert now.metadata["dagster/partition_row_count"] == was.metadata["dagster/partition_row_count"]
    results = again.get_asset_check_evaluations()
    assert {(check.asset_key.to_user_string(), check.check_name) for check in results} >= {
        ("scrubbed_corpus", "personal_data_is_replaced"),
        ("raw_corpus", "accounted_for"),
    }
    assert all(check.passed or check.severity == dg.AssetCheckSeverity.WARN for check in results)
    assert outcomes(again) == outcomes(world.first), "each stands as it was, a warning as a warning"
    (recall,) = [check for check in results if check.check_name == "personal_data_is_replaced"]
    assert "recall" in recall.metadata


def test_of_several_batches_only_the_changed_one_is_made(world):
    times = world.times()
    with (world.folder / "corpus" / "first.jsonl").open("a") as file:
        file.write(row("Who painted the bridge?", "Nobody did."))
    assert world.ask().success
    changed = {key for key, time in world.times().items() if time != times[key]}
    assert changed == {(asset, FIRST) for asset in CORPUS}


def test_of_the_selected_partitions_a_launch_makes_those_that_it_names(world):
    times, versions = world.times(), [world.latest("raw_corpus", batch).tags for batch in BATCHES]
    assert world.ask(["raw_corpus"], force=True, only=[FIRST]).success
    changed = {key for key, time in world.times().items() if time != times[key]}
    assert changed == {("raw_corpus", FIRST)}
    now = [world.latest("raw_corpus", batch).tags for batch in BATCHES]
    assert [tags["dagster/data_version"] for tags in now] == [tags["dagster/data_version"] for tags in versions]


def test_a_launch_that_names_other_batches_is_refused(world):
    times = world.times()
    assert not world.ask(["raw_corpus"], force=True, only=["colours/unknown"]).success
    assert world.times() == times


def test_a_launch_with_force_makes_it_although_nothing_has_changed(world):
    times = world.times()
    assert world.ask(["raw_corpus"], force=True).success
    changed = {key for key, time in world.times().items() if time != times[key]}
    assert changed == {("raw_corpus", batch) for batch in BATCHES}


def test_an_input_that_changes_meanwhile_is_not_what_the_asset_was_made_from(world, monkeypatch):
    storage, batch = world.project.storage, BATCHES[0]
    before = storage.require("raw_corpus", batch)
    write = TableRun.write

    def changed_meanwhile(run, *given, **more):
        storage.commit(before.model_copy(update={"data_version": "newer"}))
        return write(run, *given, **more)

    monkeypatch.setattr(TableRun, "write", changed_meanwhile)
    assert world.ask(["scrubbed_corpus"], [batch], force=True).success
    assert storage.require("scrubbed_corpus", batch).inputs[f"raw_corpus[{batch}]"] == before.data_version
    storage.commit(before)


def row(question, answer):
    return json.dumps({"question": question, "answer": answer, "kind": "door", "topic": "door red"}) + "\n"


def test_of_two_runs_at_once_the_second_waits_and_finds_it_made(world):
    (world.folder / "corpus" / "second.jsonl").write_text(row("Why?", "Because it is so."))
    runs = [threading.Thread(target=world.ask, args=[["raw_corpus"]]) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    both = world.instance.get_runs(limit=2)
    assert [run.status.value for run in both] == ["SUCCESS", "SUCCESS"]
    made = [any("records" in str(entry.user_message) for entry in world.instance.all_logs(run.run_id)) for run in both]
    assert sorted(made) == [False, True], "one of them read the file"


def test_a_good_batch_does_not_hide_that_another_fails_its_check(world):
    good, storage = world.folder / "corpus" / "second.jsonl", world.project.storage
    before = storage.require("raw_corpus", FIRST)
    storage.commit(before.model_copy(update={"failed_checks": ["under_contract"]}))
    good.write_text(row("Why not?", "Because it is not so."))
    again = world.ask(["raw_corpus"], batches=[SECOND])
    failed = [check for check in again.get_asset_check_evaluations() if not check.passed]
    assert {check.check_name for check in failed} == {"under_contract"}
    assert f"still fails for {FIRST}" in failed[0].description
    storage.commit(before)
    assert world.ask().success


def test_a_batch_that_breaks_its_contract_stays_as_it_was_and_keeps_no_other_back(world):
    bad, good = (world.folder / "corpus" / f"{name}.jsonl" for name in ("first", "second"))
    bad.write_text(bad.read_text() + '{"question": "half a line\n' * 200)
    times = world.times()
    assert not world.ask().success
    good.write_text(row("Why so?", "Because it is so, and not otherwise."))
    assert world.ask().success
    changed = {key for key, time in world.times().items() if time != times[key]}
    assert changed == {(asset, SECOND) for asset in CORPUS}
