"""What comes or changes while a run is at work is neither lost nor half in its tables."""

import json
import os

import dagster as dg
import polars as pl
import pytest
from support.batches import give_key, key
from support.corpus import write_corpus, write_recipe
from support.launch import forced

from fineline.assets.pipeline import nodes
from fineline.jobs import runner as run
from fineline.jobs.definitions import build
from fineline.resources.core.storage.tables import scan_table
from fineline.resources.planning.plan import plan
from fineline.resources.project import current_project
from fineline.schedules.arrivals import sync_arrivals

NEW = key("colours/third.jsonl")
MERGED = ["record_quality", "label_issues", "curated_corpus", "splits", "record_ledger"]


def line(answer):
    return (
        json.dumps({"question": "Why so late?", "answer": answer, "kind": "door", "topic": "weather"}).encode() + b"\n"
    )


class World:
    """The data half of a small recipe."""

    def __init__(self, folder, instance):
        self.instance, self.corpus = instance, folder / "corpus"
        write_corpus(self.corpus)
        text = write_recipe(folder).read_text()
        kept = text[: text.index("  - {name: notes")] + text[text.index("scrub:") : text.index("datasets:")]
        recipe = folder / "small.yaml"
        recipe.write_text(kept.replace("scrub: {", "scrub: {ner: spacy, "))
        self.project, self.definitions = current_project(str(recipe)), build(str(recipe))
        give_key(self.project.storage_root)

    def drop(self, name, content):
        path = self.corpus / name
        path.write_bytes(content)
        # Old enough to be complete.
        os.utime(path, (0, len(content)))

    def arrive(self):
        return sync_arrivals(self.instance, self.project.storage, self.project.recipe.sources).versions

    def make(self):
        for path in self.corpus.iterdir():
            os.utime(path, (0, path.stat().st_size))
        return run.make(self.project, self.definitions, self.instance)

    def ask(self, *assets, batch=None):
        """One run of assets, whether they are up to date or not."""
        keys = [dg.AssetKey(name) for name in assets]
        job = self.definitions.resolve_job_def("main")
        return job.execute_in_process(
            instance=self.instance, asset_selection=keys, partition_key=batch, run_config=forced(*assets)
        )

    def stale(self):
        graph = nodes(self.definitions.resolve_asset_graph())
        return [t.label for t in plan(graph, self.project.storage, self.arrive(), self.project.recipe) if t.reason]

    def batches_in(self, asset):
        return set(scan_table(self.project.storage, asset, None).select("batch").collect()["batch"])


@pytest.fixture
def world(tmp_path, monkeypatch, instance):
    monkeypatch.setenv("FINELINE_HOME", str(tmp_path / "home"))
    return World(tmp_path, instance)


def test_a_file_that_changes_while_a_run_is_at_work_is_made_again_in_it(world, monkeypatch):
    waves, real = [], run._run_wave

    def change_once(*given):
        waves.append(given)
        if len(waves) == 1:
            before = (world.corpus / "first.jsonl").read_bytes()
            world.drop("first.jsonl", before + line("It rained."))
            world.arrive()
        return real(*given)

    monkeypatch.setattr(run, "_run_wave", change_once)
    world.make()
    assert world.stale() == []
    said = scan_table(world.project.storage, "curated_corpus", None).select("completion").collect()
    assert said.filter(pl.col("completion").list.first().struct["content"] == "It rained.").height == 1


def test_what_is_run_in_vain_ends_the_run(world, monkeypatch):
    monkeypatch.setattr(run, "_run_wave", lambda *given: list(given[-1]))
    with pytest.raises(run.RunFailed, match=r"was run and is still to be made \(not made yet\)"):
        world.make()


def test_a_batch_that_comes_while_the_tables_of_all_are_made_is_in_all_or_none_of_them(world):
    world.make()
    world.drop("third.jsonl", line("It rained all day."))
    assert NEW in world.arrive()
    assert world.ask("duplicate_clusters").success
    for asset in ("raw_corpus", "scrubbed_corpus", "minhash_signatures"):
        assert world.ask(asset, batch=NEW).success
    assert world.ask(*MERGED).success
    for asset in ("duplicate_clusters", "curated_corpus", "record_ledger"):
        assert NEW not in world.batches_in(asset)
    world.make()
    for asset in ("duplicate_clusters", "curated_corpus", "record_ledger"):
        assert NEW in world.batches_in(asset)
    assert world.stale() == []


def test_a_file_that_cannot_be_read_is_told_and_keeps_no_other_back(world):
    world.drop("bad.jsonl", '{"question": "Why?", "answer": "Because."}\n'.encode("utf-16"))
    with pytest.raises(run.RunFailed, match=f"raw_corpus: {key('colours/bad.jsonl')} is UTF-16, not UTF-8"):
        world.make()
    good = sorted(map(key, ["colours/first.jsonl", "colours/second.jsonl"]))
    per_batch = ("raw_corpus", "scrubbed_corpus", "minhash_signatures")
    assert all(world.project.storage.manifest(asset, batch) for asset in per_batch for batch in good)
    assert world.stale() == [], "the tables of all batches are made without it"
    told = world.instance.get_materialized_partitions(dg.AssetKey("raw_corpus"))
    assert sorted(told) == good
    world.drop("bad.jsonl", line("Because it rained."))
    world.make()
    assert world.stale() == []
