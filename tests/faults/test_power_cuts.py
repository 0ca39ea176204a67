"""A power cut behind every operation of every kind of commit: readers find the old version or the new one."""

import random
from itertools import pairwise

import pytest
from faults import writers
from faults.power import Recorder

from fineline.data_contracts.accounting import Drop
from fineline.resources.core import keys
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.tables import Origin, TableOutput, scan_table, write_table
from fineline.resources.governance.forgetting import request
from fineline.resources.governance.forgetting.journal import Change, Journal
from fineline.resources.governance.forgetting.request import Request

CUTS = 2_000


def write(storage, table):
    with storage.root.lock("splits"):
        storage.remove_unfinished("splits")
        made = TableOutput(table, table.height)
        write_table(storage, "splits", None, made, Drop, Origin("1", {}, "run"), maximum_quarantine=0)


def train(storage, weights):
    standing = {"batch": None, "data_version": "", "code_version": "1", "inputs": {}, "run_id": "run"}
    with storage.new_folder("sft_model") as folder:
        (folder / "model").mkdir()
        (folder / "model" / "weights").write_text(weights)
        storage.commit_folder(Manifest(asset="sft_model", files={}, **standing), folder, {"model": "model"})


def flag(storage):
    before = storage.manifest("sft_model")
    storage.amend(before, before.model_copy(update={"flags": ["flagged"]}))


def change(storage, table):
    Journal(storage, "R-1").write(Change(table, "a", "b", 1, 1))


def commits():
    """One of each kind, in order."""
    first, second = writers.table(1), writers.table(2)
    return [
        keys.load_key,
        lambda root: write(Storage(root.folder), first),
        lambda root: write(Storage(root.folder), second),
        lambda root: write(Storage(root.folder), first),
        lambda root: Storage(root.folder).set_aside(Storage(root.folder).manifest("splits")),
        lambda root: write(Storage(root.folder), second),
        lambda root: train(Storage(root.folder), "one"),
        lambda root: train(Storage(root.folder), "two"),
        lambda root: flag(Storage(root.folder)),
        lambda root: request.put(Storage(root.folder), Request(request_id="R-1", reason="asked", source="docs")),
        lambda root: change(Storage(root.folder), "splits"),
        lambda root: change(Storage(root.folder), "sft_dataset"),
        lambda root: request.finish(Storage(root.folder), "R-1"),
    ]


def found(folder):
    """Everything that a reader finds, each kind by itself; it fails where something is of neither version."""
    storage = Storage(folder / "root")
    key = keys.stored_key(storage.root)
    table, model = storage.manifest("splits"), storage.manifest("sft_model")
    waiting = [name for name in storage.root.names(layout.REQUESTS) if name == "R-1.json"]
    rules = None if table is None else scan_table(storage, "splits", verified=True).collect()["rule"].unique().to_list()
    weights = None if model is None else (storage.file(model, "model") / "weights").read_text()
    return {
        "key": key and key.fingerprint,
        "table": rules,
        "model": weights,
        "flags": model and model.flags,
        "journal": [each.table for each in Journal(storage, "R-1").changes],
        "requests": [request.load(storage, name.removesuffix(".json")).source for name in waiting],
    }


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The recorder, and for each commit how many operations were done when it began and ended, and what was found."""
    folder = tmp_path_factory.mktemp("recorded") / "disk"
    folder.mkdir()
    history = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writers, "ROWS", 20)
        patch.delenv(keys.VARIABLE, raising=False)
        with Recorder(folder) as recorder:
            history.append((0, 0, found(folder)))
            for commit in commits():
                begun = len(recorder.operations)
                commit(Storage(folder / "root").root)
                recorder.look()
                history.append((begun, len(recorder.operations), found(folder)))
        yield recorder, history


def check(recorder, history, done, left, folder):
    recorder.rebuild(left, folder)
    ended = max(at for at, (_, end, _) in enumerate(history) if end <= done)
    allowed = [known for begun, _, known in history[ended : ended + 2] if begun <= done]
    now = found(folder)
    for kind, value in now.items():
        assert value in [known[kind] for known in allowed], (
            done,
            kind,
            value,
            recorder.operations[max(0, done - 6) : done],
        )


@pytest.mark.outcome(
    "killed",
    "the power fails after any write of a commit, and all that was not flushed is lost",
    "the old version or the new one",
)
def test_with_all_that_was_not_flushed_lost_a_reader_finds_the_old_version_or_the_new_one(recorded, tmp_path):
    recorder, history = recorded
    assert all(before != after for (_, _, before), (_, _, after) in pairwise(history)), "each commit can be seen"
    for done in range(len(recorder.operations) + 1):
        check(recorder, history, done, recorder.left(done), tmp_path / str(done))


@pytest.mark.outcome(
    "killed", "the same with any part of it lost, in any order (2,000 seeded)", "the old version or the new one"
)
def test_with_any_part_of_it_lost_too_and_the_next_commit_succeeds(recorded, tmp_path):
    recorder, history = recorded
    seen = set()
    for seed in range(CUTS):
        chosen = random.Random(seed)
        done = chosen.randrange(len(recorder.operations) + 1)
        check(recorder, history, done, recorder.left(done, chosen), tmp_path / str(seed))
        seen.add(done)
        if seed % 50 == 0:
            write(Storage(tmp_path / str(seed) / "root"), writers.table(3).head(5))
            assert found(tmp_path / str(seed))["table"] == ["version 3"]
    assert len(seen) > len(recorder.operations) / 2
