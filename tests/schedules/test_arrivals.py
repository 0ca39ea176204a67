import dagster as dg
import pytest
from small_corpus import write_corpus

from fineline.jobs.definitions import build
from fineline.resources.project import current_project
from fineline.schedules.arrivals import new_batches, sync_batches

RECIPE = "name: arrivals\nsources: [{name: colours, kind: files, path: corpus, licence: CC0-1.0}]\n"


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.setenv("FINELINE_HOME", str(tmp_path / "home"))
    write_corpus(tmp_path / "corpus")
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def test_batches_become_partitions_and_those_that_are_gone_do_not_stay(instance):
    sync_batches(instance, ["docs/1", "docs/2"])
    sync_batches(instance, ["docs/2", "docs/3"])
    assert sorted(instance.get_dynamic_partitions("batches")) == ["docs/2", "docs/3"]


def test_the_sensor_adds_a_file_that_arrived_and_starts_no_run(recipe, instance):
    resources = {"project": current_project(str(recipe))}
    for name in (None, "third"):
        if name:
            (recipe.parent / "corpus" / f"{name}.jsonl").write_text('{"question": "Why?", "answer": "Because."}\n')
        with dg.build_sensor_context(instance, resources=resources) as context:
            result = new_batches(context)
        assert isinstance(result, dg.SkipReason)
    assert sorted(instance.get_dynamic_partitions("batches")) == [
        "colours/first.jsonl",
        "colours/second.jsonl",
        "colours/third.jsonl",
    ]


def test_the_definitions_of_a_recipe_hold_the_sensors(recipe):
    assert {sensor.name for sensor in build(str(recipe)).sensors} >= {"follow_data", "new_batches"}
