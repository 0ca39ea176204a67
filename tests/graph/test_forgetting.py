"""Forgetting in the whole graph: a person by text, a record by id and a source, in tables, models and history."""

import json
import os
import sqlite3

import dagster as dg
import polars as pl
import pytest
from support.batches import give_key, key, label
from support.corpus import CURATION, EVALUATION, SOURCES, write_corpus
from support.tiny_model import make_tiny_model

from fineline.jobs.cli.forget import carry_out, certificate
from fineline.jobs.definitions import build
from fineline.jobs.runner import RunFailed, make, prepare_home
from fineline.resources.core.storage.tables import scan_table
from fineline.resources.governance.forgetting.request import Request, put
from fineline.resources.models import exposure
from fineline.resources.project import current_project

pytestmark = pytest.mark.model

SCRUB = "scrub: {workers: 1, canaries_per_entity: 2, minimum_recall: 0.5, entities: [EMAIL_ADDRESS]}\n"
DATA = SOURCES + SCRUB + CURATION
MODELS = """\
datasets:
  sft: {maximum_tokens: 200, train_rows: 300, validation_rows: 8, test_rows: 24}
base_model: {kind: folder, path: model}
training:
  dtype: float32
  threads: 1
  stages:
    - {method: sft, steps: 45, batch_size: 16, learning_rate: 0.01, maximum_tokens: 200, lora: {rank: 16, alpha: 64}}
"""
PERSON = "Margaret Thompson"
NOTE = "stands in the town, and it was red for 2 years"


class World:
    """A recipe, its storage root, and Dagster's history of it in that root."""

    def __init__(self, folder):
        self.folder, self.recipe = folder, folder / "small.yaml"
        write_corpus(folder / "corpus")
        make_tiny_model(folder / "model", initializer_range=0.2)
        self.recipe.write_text(DATA + MODELS + EVALUATION)
        give_key(self.project.storage_root)
        prepare_home(self.project)
        self.instance = dg.DagsterInstance.get()

    @property
    def project(self):
        return current_project(str(self.recipe))

    @property
    def storage(self):
        return self.project.storage

    def make(self):
        made, _ = make(self.project, build(str(self.recipe)), self.instance)
        return [task.label for task in made]

    def forget(self, request_id, **what):
        put(self.storage, Request(request_id=request_id, reason="erasure request", **what))
        carry_out(build(str(self.recipe)), self.instance, self.project, request_id)
        return certificate(self.storage, request_id)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forgetting")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FINELINE_HOME", str(folder / "home"))
        patch.delenv("DAGSTER_HOME", raising=False)
        world = World(folder)
        try:
            world.make()
            # As a library's message might, in what a run printed.
            logs = sorted((world.storage.local.folder / "dagster" / "storage").rglob("*.err"))
            logs[0].write_text(
                f"before\nwarning: Margaret\tThompson is no number\nThe door. A door {NOTE} until\nafter\n"
            )
            world.before = places(world.storage.local.folder, PERSON)
            world.record = in_train(world)
            world.said = {
                "R-17": world.forget("R-17", texts=[PERSON]),
                "R-18": world.forget("R-18", records=[world.record["record_id"]]),
                "R-19": world.forget("R-19", source="notes"),
            }
            yield world
        finally:
            world.instance.dispose()
            os.environ.pop("DAGSTER_HOME", None)


def in_train(world):
    rows = scan_table(world.storage, "sft_dataset").filter(pl.col("split") == "train").collect()
    return rows.row(5, named=True)


def places(root, text):
    """The files under a folder that hold a text: Parquet decoded, of SQLite each cell, of all files the bytes."""
    found = set()
    for path in root.rglob("*"):
        if not path.is_file():
            continue
        content = path.read_bytes()
        forms = {text.encode().lower(), json.dumps(text)[1:-1].encode().lower()}
        if any(form in content.lower() for form in forms) or (
            path.suffix == ".parquet" and text.lower() in decoded(path)
        ):
            found.add(path)
        elif content.startswith(b"SQLite format 3"):
            with sqlite3.connect(path) as database:
                if any(text.lower() in line.lower() for line in database.iterdump()):
                    found.add(path)
    return {path.relative_to(root).as_posix() for path in found}


def decoded(path):
    return pl.read_parquet(path).select(pl.exclude(pl.Binary)).write_ndjson().lower()


def certified(world, request_id):
    table = scan_table(world.storage, "forgetting_certificates").collect()
    (row,) = table.filter(pl.col("request_id") == request_id).iter_rows(named=True)
    return row


def test_the_person_was_in_tables_and_logs_before(world):
    kinds = {path.partition("/")[0] for path in world.before}
    assert kinds == {"assets", "dagster"}


@pytest.mark.parametrize("text", [PERSON, "margaret.thompson", "Thompson", NOTE])
def test_no_file_under_the_storage_root_holds_what_was_forgotten(world, text):
    assert places(world.storage.local.folder, text) == set()


def test_no_file_holds_the_id_or_the_words_of_a_record_forgotten_by_id(world):
    assert places(world.storage.local.folder, world.record["record_id"]) == set()
    assert places(world.storage.local.folder, world.record["prompt"][0]["content"]) == set()


def test_requests_are_destroyed_and_tombstones_name_nobody(world):
    assert list((world.storage.local.folder / "requests").iterdir()) == []
    table = pl.read_parquet(world.storage.local.folder / "forgotten" / "tombstones.parquet")
    assert dict(table.group_by("request_id", "kind").len().select("kind", "len").iter_rows()).keys() == {
        "record",
        "phrase",
        "source",
    }


def test_a_certificate_says_what_was_done_and_names_nobody(world):
    person = certified(world, "R-17")
    assert person["records"] == 2
    assert person["remains"] == []
    assert person["outside"] == sorted([key("colours/first.jsonl"), key("colours/second.jsonl")])
    assert {"table": "raw_corpus", "rows": 2} in person["removed"]
    record = certified(world, "R-18")
    assert {"sft_model"} <= {each["model"] for each in record["seen_by"]}
    assert certified(world, "R-19")["records"] == 10
    assert "10 records are forgotten" in world.said["R-19"]


def test_the_certificates_and_their_check_are_in_dagster(world):
    key = dg.AssetKey("forgetting_certificates")
    events = world.instance.fetch_materializations(key, limit=10).records
    assert [event.asset_materialization.metadata["request"].value for event in events] == ["R-19", "R-18", "R-17"]
    check = dg.AssetCheckKey(key, "nothing_remains")
    latest = world.instance.event_log_storage.get_latest_asset_check_execution_by_key([check])[check]
    assert latest.status.value == "SUCCEEDED"
    for run in world.instance.get_runs():
        assert "Margaret" not in str(run)


def test_dagster_was_told_the_new_version_of_each_rewritten_batch(world):
    for asset in ("raw_corpus", "scrubbed_corpus", "minhash_signatures"):
        wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[key("colours/first.jsonl")])
        (record,) = world.instance.fetch_materializations(wanted, limit=1).records
        version = record.asset_materialization.tags["dagster/data_version"]
        assert version == world.storage.require(asset, key("colours/first.jsonl")).data_version


def test_a_model_that_saw_a_forgotten_record_is_flagged(world):
    assert exposure.forgotten_records(world.storage, "sft_model") >= 1
    assert any("R-18" in flag for flag in world.storage.require("sft_model").flags)
    (told,) = world.instance.fetch_observations(dg.AssetKey("sft_model"), limit=1).records
    assert "R-18" in told.asset_observation.metadata["flag"].value


def test_exports_have_as_many_lines_as_their_split_has_rows(world):
    manifest = world.storage.require("sft_dataset")
    rows = world.storage.scan(manifest).collect()
    for split in ("train", "validation", "test"):
        lines = world.storage.file(manifest, split).read_text().splitlines()
        assert len(lines) == rows.filter(pl.col("split") == split).height


def test_the_next_run_makes_merged_tables_anew_and_the_ledger_closes(world):
    world.recipe.write_text(DATA)
    made = world.make()
    assert not [name for name in made if "[" in name], "what is of one batch was rewritten in place, and is up to date"
    assert {"duplicate_clusters", "curated_corpus", "splits", "record_ledger"} <= set(made)
    ledger = scan_table(world.storage, "record_ledger").collect()
    lines = sum(len(path.read_text().splitlines()) for path in (world.folder / "corpus").iterdir())
    assert ledger.height == lines + 10
    assert ledger.filter(pl.col("rule") == "forgotten").height == 13
    assert places(world.storage.local.folder, PERSON) == set()


def test_a_file_that_is_sent_again_with_changes_brings_nothing_back(world):
    path = world.folder / "corpus" / "first.jsonl"
    first, *rest = path.read_text().splitlines()
    changed = {**json.loads(first), "answer": "It was MARGARET  thompson who painted it."}
    path.write_text("\n".join([first.replace('{"question"', '{ "question"'), json.dumps(changed), *rest]) + "\n")
    assert label("raw_corpus", "colours/first.jsonl") in world.make()
    assert places(world.storage.local.folder, PERSON) == set()
    assert places(world.storage.local.folder, world.record["record_id"]) == set()
    ledger = scan_table(world.storage, "record_ledger").collect()
    assert ledger.filter(pl.col("rule") == "forgotten").height == 14


def test_a_request_made_again_changes_nothing_and_another_of_its_id_is_refused(world):
    before = certified(world, "R-17")
    world.forget("R-17", texts=[PERSON])
    assert certified(world, "R-17") == before
    with pytest.raises(RunFailed, match="was already carried out and named something else"):
        world.forget("R-17", texts=["Somebody Else"])
    assert list((world.storage.local.folder / "requests").iterdir()) == []
