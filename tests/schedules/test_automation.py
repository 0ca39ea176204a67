"""What the automation conditions of the whole graph ask for; answered with manifests in place of work."""

import os
import time
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO

import dagster as dg
import polars as pl
import pytest
from support.batches import give_key, key, label
from support.corpus import write_corpus, write_recipe
from support.places import asset_folder

from fineline.assets.pipeline import nodes
from fineline.data_contracts.catalog import Partition
from fineline.jobs.definitions import build
from fineline.resources.core.recipe.base import digest
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.data.ingestion.scan import scan_sources
from fineline.resources.planning.inputs import inputs_now, why_stale
from fineline.resources.planning.plan import plan
from fineline.resources.planning.retraining import decide_retraining
from fineline.resources.project import current_project
from fineline.schedules.arrivals import sync_arrivals

RETRAIN_DECISION = "retrain_decision"
NAMES = ["colours/first.jsonl", "colours/second.jsonl", *[f"notes/note-{n}.md" for n in range(10)]]
BATCHES = [key(name) for name in NAMES]
PER_BATCH = ["raw_corpus", "scrubbed_corpus", "minhash_signatures"]
MERGED = [
    "duplicate_clusters", "record_quality", "label_issues", "curated_corpus", "splits", "record_ledger",
    "sft_dataset", "preference_dataset", "pretraining_dataset",
]  # fmt: skip
TRAINED = ["pretrained_model", "sft_model", "aligned_model"]


class Graph:
    """The real definitions; what they ask for is stored and recorded with the version that content would give it."""

    def __init__(self, folder, instance):
        self.folder, self.instance, self.cursor = folder, instance, None
        # Labels of what fails its check, and of what cannot be made at all.
        self.code, self.failing, self.unreadable = {}, set(), set()
        write_corpus(folder / "corpus")
        self.recipe = write_recipe(folder)
        self.load()

    def load(self):
        """Load the definitions, as after a start or an edit of the recipe or the code."""
        self.project = current_project(str(self.recipe))
        give_key(self.project.storage_root)
        storage, sources = self.project.storage, self.project.recipe.sources
        scan_sources(storage, sources, now=time.time() + 10)
        self.arrived = sync_arrivals(self.instance, storage, sources).versions
        built = build(str(self.recipe))
        assets = dg.map_asset_specs(self._edited, built.assets)
        self.definitions = dg.Definitions(assets=assets, resources=built.resources)

    def _edited(self, spec):
        edit = self.code.get(spec.key.to_user_string())
        return spec.replace_attributes(code_version=spec.code_version + edit) if edit else spec

    def edit_recipe(self, old, new):
        """Change the recipe, and load it."""
        text = self.recipe.read_text()
        assert old in text
        self.recipe.write_text(text.replace(old, new))
        self.load()

    def settle(self):
        """Answer what is asked for until nothing is; returns the labels of what was made, sorted."""
        asked, idle = [], 0
        for _ in range(40):
            result = dg.evaluate_automation_conditions(self.definitions, self.instance, cursor=self.cursor)
            self.cursor = result.cursor
            graph = self.definitions.resolve_asset_graph()
            wanted = [
                (node, batch)
                for node in nodes(graph)
                for batch in sorted(result.get_requested_partitions(dg.AssetKey(node.name)), key=str)
            ]
            idle = 0 if wanted else idle + 1
            if idle == 2:
                return sorted(asked)
            # One run makes them, in their order; where one fails, what follows it is left.
            failed = set()
            for node, batch in wanted:
                name = Partition(node.name, batch).label
                asked.append(name)
                if failed & ancestors(graph, node.name):
                    continue
                if name in self.unreadable:
                    failed.add(node.name)
                    continue
                self._make(node, batch)
                stored = self.project.storage.manifest(node.name, batch)
                if stored is not None and stored.failed_checks:
                    failed.add(node.name)
        raise AssertionError(f"never at rest: {asked}")

    def stale(self):
        """What is not up to date."""
        graph = nodes(self.definitions.resolve_asset_graph())
        tasks = plan(graph, self.project.storage, self.arrived, self.project.recipe)
        return [task for task in tasks if task.reason]

    def _make(self, node, batch):
        storage, recipe = self.project.storage, self.project.recipe
        inputs = {"arrival": self.arrived.get(batch)}
        if node.name != "raw_corpus":
            inputs = inputs_now(storage, recipe, node.asset, batch, list(self.arrived), storage.manifest)
        before = storage.manifest(node.name, batch)
        if before is not None and not why_stale(node.asset, before, node.code_version, inputs):
            return
        version, facts, files = digest(node.name, node.code_version, inputs), {}, {}
        if node.name == RETRAIN_DECISION:
            decision = decide_retraining(storage, recipe.retrain, recipe.training, datetime.now(UTC))
            version, facts = decision.version, {"sentence": decision.sentence, "approved": dict(decision.approved)}
            facts |= {"parts": decision.parts, "decided": [each.isoformat() for each in decision.decided]}
        elif node.name.endswith("_dataset"):
            rows = BytesIO()
            pl.DataFrame({"record_id": [version], "split": ["train"]}).write_parquet(rows)
            files = {"data": f"rows-{sha256(rows.getvalue()).hexdigest()[:16]}.parquet"}
            asset_folder(storage, node.name).mkdir(parents=True, exist_ok=True)
            (asset_folder(storage, node.name) / files["data"]).write_bytes(rows.getvalue())
        failed = ["under_contract"] if Partition(node.name, batch).label in self.failing else []
        manifest = Manifest(
            asset=node.name, batch=batch, data_version=version, code_version=node.code_version, inputs=inputs,
            files=files, failed_checks=failed, run_id="r", facts=facts,
        )  # fmt: skip
        asset_folder(storage, node.name, batch).mkdir(parents=True, exist_ok=True)
        storage.commit(manifest)
        tags = {"dagster/data_version": version, "dagster/data_version_is_user_provided": "true"}
        self.instance.report_runless_asset_event(dg.AssetMaterialization(node.name, partition=batch, tags=tags))


def ancestors(graph, name):
    return {key.to_user_string() for key in graph.get_ancestor_asset_keys(dg.AssetKey(name))}


@pytest.fixture
def new_graph(tmp_path, instance, monkeypatch):
    monkeypatch.setenv("FINELINE_HOME", str(tmp_path / "home"))
    return Graph(tmp_path, instance)


@pytest.fixture
def graph(new_graph):
    """All of it made once, and no training to be decided on for few new rows."""
    new_graph.settle()
    new_graph.edit_recipe("retrain: {}", "retrain: {minimum_new_records: 1000}")
    assert new_graph.settle() == [RETRAIN_DECISION]
    return new_graph


def test_from_nothing_everything_is_asked_for_once(new_graph):
    batched = [f"{asset}[{batch}]" for asset in PER_BATCH for batch in BATCHES]
    assert new_graph.settle() == sorted(
        [*batched, *MERGED, "base_model", RETRAIN_DECISION, *TRAINED, "evaluation", "release"]
    )


def test_a_touched_file_asks_for_nothing(graph):
    os.utime(graph.folder / "corpus" / "first.jsonl")
    graph.load()
    assert graph.settle() == []


def test_a_new_batch_asks_for_its_own_partition_and_the_merged_assets_and_trains_nothing_without_a_decision(graph):
    (graph.folder / "corpus" / "third.jsonl").write_text('{"question": "Why?", "answer": "Because."}\n')
    graph.load()
    assert graph.settle() == sorted(
        [*[label(asset, "colours/third.jsonl") for asset in PER_BATCH], *MERGED, RETRAIN_DECISION]
    )


def test_enough_new_rows_are_followed_by_the_models_their_evaluation_and_the_release(graph):
    graph.edit_recipe("minimum_new_records: 1000", "minimum_new_records: 1")
    graph.settle()
    (graph.folder / "corpus" / "third.jsonl").write_text('{"question": "Why?", "answer": "Because."}\n')
    graph.load()
    assert {RETRAIN_DECISION, *TRAINED, "evaluation", "release"} <= set(graph.settle())


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
def test_tables_wait_for_a_run_of_tables_that_has_not_ended(graph, status):
    run = graph.instance.create_run_for_job(
        graph.definitions.resolve_implicit_global_asset_job_def(),
        asset_selection=frozenset({dg.AssetKey("record_quality")}),
        status=status,
    )
    graph.code["splits"] = " splits better"
    graph.load()
    assert graph.settle() == []
    graph.instance.report_run_canceled(run)
    assert "splits" in graph.settle()


def test_an_edit_that_leaves_the_code_versions_asks_for_nothing(graph):
    graph.load()
    assert graph.settle() == []


def test_another_version_of_the_scrubber_asks_for_scrubbing_and_what_follows_each_once(graph):
    graph.code["scrubbed_corpus"] = " scrubs better"
    graph.load()
    scrubbed = [f"{asset}[{batch}]" for asset in PER_BATCH[1:] for batch in BATCHES]
    assert graph.settle() == sorted([*scrubbed, *MERGED, RETRAIN_DECISION])


def test_another_learning_rate_asks_for_a_decision_and_training_and_no_data_asset(graph):
    graph.edit_recipe("learning_rate: 1.0e-6", "learning_rate: 2.0e-6")
    assert graph.settle() == sorted([RETRAIN_DECISION, "aligned_model", "evaluation", "release"])


def test_what_failed_is_not_asked_for_again_until_something_about_it_changes(graph):
    graph.failing.add("curated_corpus")
    graph.code["curated_corpus"] = " fails"
    graph.load()
    assert "curated_corpus" in graph.settle()
    assert graph.settle() == []
    assert graph.stale()[0].label == "curated_corpus"
    graph.failing.clear()
    graph.code["curated_corpus"] = " mended"
    graph.load()
    assert "curated_corpus" in graph.settle()
    assert graph.stale() == []


def arrive(graph, *names, answer="Because."):
    for name in names:
        (graph.folder / "corpus" / name).write_text(f'{{"question": "Why?", "answer": "{answer} {name}"}}\n')
    graph.load()


def test_a_file_that_cannot_be_read_keeps_no_other_back_and_all_goes_on_when_it_is_mended(graph):
    graph.unreadable.add(label("raw_corpus", "colours/bad.jsonl"))
    arrive(graph, "bad.jsonl", "good.jsonl")
    asked = graph.settle()
    assert asked.count(label("minhash_signatures", "colours/good.jsonl")) == 2, (
        "in vain with the bad one, then by itself"
    )
    assert asked.count(label("raw_corpus", "colours/bad.jsonl")) == 1
    assert {task.batch for task in graph.stale() if task.asset in PER_BATCH} == {key("colours/bad.jsonl")}
    graph.unreadable.clear()
    arrive(graph, "bad.jsonl", answer="Mended.")
    assert {label("raw_corpus", "colours/bad.jsonl"), "curated_corpus"} <= set(graph.settle())
    assert graph.stale() == []


def test_a_file_that_breaks_its_contract_is_made_once_and_keeps_no_other_batch_back(graph):
    graph.failing.add(label("raw_corpus", "colours/bad.jsonl"))
    arrive(graph, "bad.jsonl", "good.jsonl")
    asked = graph.settle()
    assert asked.count(label("raw_corpus", "colours/bad.jsonl")) == 1
    assert graph.project.storage.manifest("minhash_signatures", key("colours/good.jsonl")) is not None
    graph.failing.clear()
    arrive(graph, "bad.jsonl", answer="Mended.")
    graph.settle()
    assert graph.stale() == []


def test_a_model_that_was_not_promoted_may_be_followed_by_a_better_one(graph):
    graph.failing.add("evaluation")
    graph.edit_recipe("learning_rate: 1.0e-6", "learning_rate: 2.0e-6")
    assert graph.settle().count("evaluation") == 1
    graph.failing.clear()
    graph.edit_recipe("learning_rate: 2.0e-6", "learning_rate: 3.0e-6")
    assert {"aligned_model", "evaluation", "release"} <= set(graph.settle())
    assert graph.stale() == []


def test_a_table_that_is_found_damaged_is_made_anew_and_then_what_was_asked_for(graph):
    storage = graph.project.storage
    graph.unreadable.add("record_quality")
    graph.code["record_quality"] = " is another"
    graph.load()
    graph.settle()
    # What a step does that finds its input damaged, before it fails.
    storage.set_aside(storage.require("duplicate_clusters"))
    graph.unreadable.clear()
    assert {"duplicate_clusters", "record_quality"} <= set(graph.settle())
    assert graph.stale() == []


def test_a_restart_of_the_daemon_asks_for_nothing_again(graph):
    graph.cursor = None
    assert graph.settle() == []
