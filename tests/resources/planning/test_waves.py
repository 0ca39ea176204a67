from dataclasses import replace

import pytest
from support.places import asset_folder

from fineline.data_contracts import catalog
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.files import write_atomically
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Storage
from fineline.resources.planning.plan import Node, plan
from fineline.resources.planning.waves import next_wave


def node(name, *upstream, code="1"):
    """An asset in a small graph of its own."""
    return Node(replace(catalog.entry(name), upstream=upstream), code)


GRAPH = [
    node("raw_corpus"),
    node("scrubbed_corpus", "raw_corpus"),
    node("splits", "scrubbed_corpus"),
    node("record_ledger", "splits"),
]

RECIPE = Recipe.model_validate({"name": "planned", "sources": [{"name": "docs", "kind": "python_docs"}]})


class World:
    """A storage root in which assets can be made without doing their work."""

    def __init__(self, root):
        self.storage, self.arrived, self.graph = Storage(root), {"docs/1": "x", "docs/2": "x"}, list(GRAPH)

    def plan(self):
        return plan(self.graph, self.storage, self.arrived, RECIPE)

    def stale(self):
        return {task.label: task.reason for task in self.plan() if task.reason}

    def wave(self):
        return [task.label for task in next_wave(self.graph, self.plan())]

    def make(self, name, batch=None, version="v1", failed_checks=()):
        node = next(node for node in self.graph if node.name == name)
        wide = name == "splits"
        upstream = [(up, b) for up in node.asset.upstream for b in (self.arrived if wide else [batch])]
        inputs = {(f"{up}[{b}]" if b else up): self.storage.require(up, b).data_version for up, b in upstream}
        if name == "raw_corpus":
            inputs = {"arrival": self.arrived[batch]}
        write_atomically(asset_folder(self.storage, name, batch) / version, b"")
        self.storage.commit(
            Manifest(
                asset=name,
                batch=batch,
                data_version=version,
                code_version=node.code_version,
                inputs=inputs,
                files={"data": version},
                failed_checks=list(failed_checks),
                run_id="r",
            )
        )

    def make_all(self):
        for batch in self.arrived:
            self.make("raw_corpus", batch)
        for batch in self.arrived:
            self.make("scrubbed_corpus", batch)
        self.make("splits")
        self.make("record_ledger")


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_on_a_fresh_machine_everything_is_made_in_one_run(world):
    assert set(world.stale().values()) == {"not made yet"}
    assert world.wave() == [
        "raw_corpus[docs/1]",
        "raw_corpus[docs/2]",
        "scrubbed_corpus[docs/1]",
        "scrubbed_corpus[docs/2]",
        "splits",
        "record_ledger",
    ]


def test_nothing_changed_makes_nothing(world):
    world.make_all()
    assert world.stale() == {}
    assert world.wave() == []


def test_a_changed_batch_is_made_alone_and_what_follows_waits_for_its_result(world):
    world.make_all()
    world.arrived["docs/2"] = "y"
    assert world.stale() == {"raw_corpus[docs/2]": "changed: arrival"}
    world.make("raw_corpus", "docs/2", version="v2")
    assert world.wave() == ["scrubbed_corpus[docs/2]"]
    world.make("scrubbed_corpus", "docs/2", version="v1")
    assert world.wave() == [], "the scrubbed bytes are the same, so nothing follows"


def test_a_new_batch_runs_with_what_was_never_made_and_merged_assets_follow(world):
    world.make_all()
    world.arrived["docs/3"] = "x"
    assert world.wave() == ["raw_corpus[docs/3]", "scrubbed_corpus[docs/3]"]
    world.make("raw_corpus", "docs/3")
    world.make("scrubbed_corpus", "docs/3")
    assert world.stale() == {"splits": "changed: scrubbed_corpus[docs/3]"}


def test_a_batch_that_cannot_be_read_holds_no_other_back(world):
    world.make("raw_corpus", "docs/1")
    assert world.wave() == ["scrubbed_corpus[docs/1]"], "the batch that has come furthest goes first"
    world.make("scrubbed_corpus", "docs/1")
    wave = ["raw_corpus[docs/2]", "scrubbed_corpus[docs/2]", "splits", "record_ledger"]
    assert world.wave() == wave
    failed = [task.label for task in next_wave(world.graph, world.plan(), ["raw_corpus[docs/2]"])]
    assert failed == [], "what failed is not tried again, and nothing that follows from it"


def test_a_changed_recipe_part_makes_only_its_asset_and_what_follows(world):
    world.make_all()
    world.graph[3] = node("record_ledger", "splits", code="2")
    assert world.stale() == {"record_ledger": "its code or its part of the recipe changed"}


def test_a_batch_that_is_no_longer_offered_changes_the_merged_assets(world):
    world.make_all()
    del world.arrived["docs/2"]
    assert world.stale() == {"splits": "changed: scrubbed_corpus[docs/2]"}


def test_an_asset_whose_check_failed_is_made_again(world):
    world.make_all()
    world.make("splits", failed_checks=["nothing_leaks"])
    assert world.stale() == {"splits": "its check nothing_leaks failed"}
    assert world.wave() == ["splits"]


def test_a_plan_reads_each_manifest_once(world, monkeypatch):
    world.make_all()
    read, manifest = [], Storage.manifest
    monkeypatch.setattr(Storage, "manifest", lambda *asked: read.append(asked[1:]) or manifest(*asked))
    assert world.stale() == {}
    assert len(read) == len(set(read)) == 6
