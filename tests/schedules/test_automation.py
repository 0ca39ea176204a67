"""What the automation conditions of the whole graph ask for, with materializations reported in place of work."""

import itertools

import dagster as dg
import pytest
from small_corpus import write_corpus, write_recipe

from fineline.jobs.definitions import build
from fineline.resources.recipe import load_recipe

BATCHES = ["colours/first.jsonl", "colours/second.jsonl"]
PER_BATCH = ["raw_corpus", "scrubbed_corpus", "minhash_signatures"]
MERGED = [
    "duplicate_clusters", "record_quality", "label_issues", "curated_corpus", "splits", "record_ledger",
    "sft_dataset", "preference_dataset", "pretraining_dataset",
]  # fmt: skip
DECISION = "retrain_decision"
TRAINED = ["pretrained_model", "sft_model", "aligned_model"]


class Graph:
    """The real definitions; what they ask for is answered with an event of the version that content would give."""

    def __init__(self, folder, instance):
        self.folder, self.instance, self.cursor = folder, instance, None
        self.code = {}
        self.trains = True
        self.versions = {}
        self.failing = set()
        self.decisions = itertools.count()
        instance.add_dynamic_partitions("batches", BATCHES)
        self.load()

    def load(self):
        """Load the definitions, as after an edit of the recipe or the code."""
        built = build(str(self.folder / "small.yaml"))
        assets = dg.map_asset_specs(self._edited, built.assets)
        self.definitions = dg.Definitions(assets=assets, resources=built.resources)

    def _edited(self, spec):
        name = spec.key.to_user_string()
        return spec.replace_attributes(code_version=spec.code_version + self.code.get(name, ""))

    def report(self, asset, version, batch=None):
        """An event of an asset, as a run or the sensor would record it."""
        self.versions[asset, batch] = version
        self.instance.report_runless_asset_event(
            dg.AssetMaterialization(
                dg.AssetKey(asset),
                partition=batch,
                tags={"dagster/data_version": version, "dagster/data_version_is_user_provided": "true"},
            )
        )
        for key in self.definitions.resolve_asset_graph().get_check_keys_for_assets({dg.AssetKey(asset)}):
            self.instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(key.asset_key, key.name, asset not in self.failing, blocking=True, metadata={})
            )

    def settle(self):
        """Answer what is asked for until nothing is; returns the labels of what was asked for, sorted."""
        asked, idle = [], 0
        for _ in range(40):
            result = dg.evaluate_automation_conditions(self.definitions, self.instance, cursor=self.cursor)
            self.cursor = result.cursor
            wanted = [
                (key.to_user_string(), batch)
                for key in self.definitions.resolve_asset_graph().toposorted_asset_keys
                for batch in sorted(result.get_requested_partitions(key), key=str)
            ]
            # The first look after a start, and one at what has just come in, may ask for nothing yet.
            idle = 0 if wanted else idle + 1
            if idle == 2:
                return sorted(asked)
            for asset, batch in wanted:
                asked.append(f"{asset}[{batch}]" if batch else asset)
                self.report(asset, self._version(asset, batch), batch)
        raise AssertionError(f"never at rest: {asked}")

    def _version(self, asset, batch):
        """A function of what it is made from, as content is."""
        if asset == DECISION:
            if not self.trains and (DECISION, None) in self.versions:
                return self.versions[DECISION, None]
            return f"decision {next(self.decisions)}"
        node = self.definitions.resolve_asset_graph().get(dg.AssetKey(asset))
        names = {key.to_user_string() for key in node.parent_keys}
        inputs = [
            version
            for (name, of), version in sorted(self.versions.items(), key=str)
            if name in names and (batch is None or of in (batch, None))
        ]
        return str(hash((asset, node.code_version, *inputs)))


@pytest.fixture
def graph(tmp_path, instance, monkeypatch):
    monkeypatch.setenv("FINELINE_HOME", str(tmp_path / "home"))
    write_corpus(tmp_path / "corpus")
    write_recipe(tmp_path)
    graph = Graph(tmp_path, instance)
    for batch in BATCHES:
        graph.report("raw_corpus", "as it came", batch)
    graph.settle()
    return graph


def test_from_nothing_everything_is_asked_for_once(tmp_path, instance, monkeypatch):
    monkeypatch.setenv("FINELINE_HOME", str(tmp_path / "home"))
    write_corpus(tmp_path / "corpus")
    write_recipe(tmp_path)
    asked = Graph(tmp_path, instance).settle()
    batched = [f"{asset}[{batch}]" for asset in PER_BATCH for batch in BATCHES]
    assert asked == sorted([*batched, *MERGED, "base_model", DECISION, *TRAINED, "evaluation", "release"])


def test_a_touched_file_which_is_the_same_bytes_asks_for_nothing_downstream(graph):
    graph.report("raw_corpus", "as it came", BATCHES[0])
    assert graph.settle() == []


def test_a_new_batch_asks_for_its_own_partition_and_the_merged_assets_and_trains_nothing_without_a_decision(graph):
    graph.trains = False
    graph.instance.add_dynamic_partitions("batches", ["colours/third.jsonl"])
    assert graph.settle() == sorted([*[f"{asset}[colours/third.jsonl]" for asset in PER_BATCH], *MERGED, DECISION])


def test_a_decision_to_train_is_followed_by_the_models_their_evaluation_and_the_release(graph):
    graph.report("splits", "other splits")
    asked = graph.settle()
    assert {DECISION, *TRAINED, "evaluation", "release"} <= set(asked)
    assert not {label.partition("[")[0] for label in asked} & {*PER_BATCH, "curated_corpus", "base_model"}


def test_an_edit_that_leaves_the_code_version_asks_for_nothing(graph):
    graph.load()
    assert graph.settle() == []


def test_another_version_of_the_scrubber_asks_for_scrubbing_and_what_follows(graph):
    graph.trains = False
    graph.code["scrubbed_corpus"] = " scrubs better"
    graph.load()
    scrubbed = [f"{asset}[{batch}]" for asset in PER_BATCH[1:] for batch in BATCHES]
    assert graph.settle() == sorted([*scrubbed, *MERGED, DECISION])


def test_another_learning_rate_asks_for_a_decision_and_training_and_no_data_asset(graph):
    recipe = graph.folder / "small.yaml"
    recipe.write_text(recipe.read_text().replace("learning_rate: 1.0e-6", "learning_rate: 2.0e-6"))
    graph.load()
    asked = graph.settle()
    assert {DECISION, "aligned_model", "evaluation", "release"} <= set(asked)
    assert not set(asked) & {*PER_BATCH, *MERGED, "base_model"}


def test_nothing_follows_a_failed_blocking_check_until_it_passes(graph):
    graph.failing.add("curated_corpus")
    graph.report("curated_corpus", "a bad table")
    assert graph.settle() == []
    graph.failing.clear()
    graph.report("curated_corpus", "a mended table")
    assert "splits" in graph.settle()


def test_a_decision_that_waits_for_time_is_looked_at_again_by_the_clock(graph):
    recipe = graph.folder / "small.yaml"
    recipe.write_text(recipe.read_text() + "retrain: {cooldown_hours: 12}\n")
    waiting = build(str(recipe)).resolve_asset_graph().get(dg.AssetKey(DECISION)).automation_condition
    assert waiting.get_label() == "on data change or time"
    assert load_recipe(recipe).retrain.cooldown_hours == 12
