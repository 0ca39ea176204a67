from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from support.places import asset_folder

from fineline.data_contracts import catalog
from fineline.data_contracts.models import ExposedRecord
from fineline.resources.core.recipe.base import digest
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.files import file_digest
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Damaged, Storage
from fineline.resources.planning.plan import Node, plan
from fineline.resources.planning.retraining import approval, decide_retraining

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEN = [f"{n:032x}" for n in range(10)]


class World:
    """A storage root with a data set, and models that are trained whenever it is decided."""

    def __init__(self, root):
        self.storage, self.retrain, self.stages = Storage(root), {}, [{"method": "sft", "learning_rate": 1e-4}]
        self.store("base_model", {})
        self.dataset(TEN)

    @property
    def recipe(self):
        return Recipe.model_validate(
            {
                "name": "decided",
                "sources": [{"name": "docs", "kind": "python_docs"}],
                "datasets": {"sft": {}},
                "training": {"stages": self.stages},
                "retrain": self.retrain,
            }
        )

    def store(self, asset, files, version="v", facts=None, inputs=None):
        folder = asset_folder(self.storage, asset)
        folder.mkdir(parents=True, exist_ok=True)
        names = {}
        for role, frame in files.items():
            frame.write_parquet(folder / "new")
            names[role] = f"{role}-{file_digest(folder / 'new')[:16]}.parquet"
            (folder / "new").rename(folder / names[role])
        self.storage.commit(
            Manifest(
                asset=asset, batch=None, data_version=version, code_version="1", inputs=inputs or {},
                files=names, run_id="r", facts=facts or {},
            )
        )  # fmt: skip

    def dataset(self, train, test=None):
        test = test or []
        split = ["train"] * len(train) + ["test"] * len(test)
        rows = pl.DataFrame({"record_id": [*train, *test], "split": split})
        self.store("sft_dataset", {"data": rows}, version=digest(train, test))

    def look(self, hours=0.0):
        """Decide at so many hours after noon, keep the decision, and train if it says so."""
        now = NOW + timedelta(hours=hours)
        decision = decide_retraining(self.storage, self.recipe.retrain, self.recipe.training, now)
        facts = {
            "sentence": decision.sentence,
            "approved": dict(decision.approved),
            "parts": {stage: dict(parts) for stage, parts in decision.parts.items()},
            "decided": [time.isoformat() for time in decision.decided],
        }
        self.store(catalog.RETRAIN_DECISION.name, {}, decision.version, facts)
        return decision

    def train(self):
        rows = pl.read_parquet(self.storage.file(self.storage.require("sft_dataset"), "data"))
        seen = rows.filter(pl.col("split") == "train").select(
            "record_id",
            dataset=pl.lit("sft_dataset"),
            split=pl.lit("train"),
            forgotten=pl.lit(False),
            request=pl.lit(None, pl.String),
        )
        self.store_model(ExposedRecord.cast(seen), approval(self.storage, "sft_model"))

    def store_model(self, seen, approved):
        self.store("sft_model", {"exposure": seen}, inputs={"approval": approved})

    def unmet(self, hours=0.0):
        return [reason.question for reason in self.look(hours).reasons if not reason.met]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.fixture
def trained(world):
    assert world.look().train
    world.train()
    return world


def test_before_there_is_a_decision_nothing_is_approved(world):
    assert approval(world.storage, "sft_model") is None


def test_the_first_training_counts_all_rows_as_new_and_needs_as_many_as_any_other(world):
    world.retrain = {"minimum_new_records": 11}
    waits = world.look()
    assert not waits.train
    assert "10 new, 0 removed (≥ 11)" in waits.sentence
    assert approval(world.storage, "sft_model") is None
    world.retrain = {"minimum_new_records": 10}
    assert world.look().train
    assert approval(world.storage, "sft_model") is not None


def test_rows_count_once_where_two_stages_are_trained_on_one_dataset(world):
    world.retrain = {"minimum_new_records": 11}
    world.stages.append({"method": "sft", "name": "again"})
    waits = world.look()
    assert not waits.train
    assert "10 new, 0 removed (≥ 11)" in waits.sentence


def test_a_second_look_at_the_same_data_decides_nothing_new(trained):
    before = approval(trained.storage, "sft_model")
    again = trained.look(hours=100)
    assert not again.train
    assert approval(trained.storage, "sft_model") == before


def test_while_a_decided_training_has_not_run_it_is_not_decided_again(world):
    first = world.look()
    again = world.look()
    assert not again.train
    assert (again.version, again.decided) == (first.version, first.decided)


def test_rows_that_come_while_a_decided_training_runs_do_not_pass_the_threshold_by_what_was_decided_on(trained):
    trained.retrain = {"minimum_new_records": 10}
    trained.dataset([*TEN, *(f"{n:032x}" for n in range(20, 30))])
    assert trained.look().train
    trained.dataset([*TEN, *(f"{n:032x}" for n in range(20, 31))])
    meanwhile = trained.look()
    assert not meanwhile.train
    assert "sft: decided on, not trained yet" in meanwhile.sentence
    trained.train()
    trained.dataset([*TEN, *(f"{n:032x}" for n in range(20, 32))])
    after = trained.look()
    assert not after.train
    assert after.figures["new training rows"] == 1


def test_settings_that_change_while_a_decided_training_runs_are_decided_on(trained):
    trained.dataset([*TEN, "a" * 32])
    assert trained.look().train
    trained.stages[0]["learning_rate"] = 2e-4
    assert trained.look().train


def test_a_stage_that_the_recipe_leaves_out_for_a_while_keeps_what_was_decided_of_it(trained):
    before = approval(trained.storage, "sft_model")
    trained.stages = []
    trained.look()
    assert approval(trained.storage, "sft_model") == before


def test_a_stored_model_whose_decision_was_lost_waits_for_another(trained):
    (asset_folder(trained.storage, catalog.RETRAIN_DECISION.name) / "manifest.json").unlink()
    assert not trained.look().train, "it has seen all rows"
    made_from = ("base_model", "sft_dataset")
    entries = {catalog.RETRAIN_DECISION.name: made_from, "sft_model": (*made_from, catalog.RETRAIN_DECISION.name)}
    graph = [Node(replace(catalog.entry(name), upstream=upstream), "1") for name, upstream in entries.items()]
    *_, model = plan(graph, trained.storage, {}, trained.recipe)
    assert model.reason is None
    assert model.waits.startswith("retrain_decision: wait")


def test_a_damaged_data_set_is_told_and_made_anew(trained):
    trained.dataset([*TEN, "a" * 32])
    path = trained.storage.file(trained.storage.require("sft_dataset"), "data")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(Damaged, match="sft_dataset is damaged"):
        trained.look()
    assert trained.storage.manifest("sft_dataset") is None


def test_new_and_removed_training_rows_count_and_test_rows_do_not(trained):
    trained.retrain = {"minimum_new_records": 3}
    trained.dataset([*TEN[1:], "a" * 32], test=["b" * 32, "c" * 32])
    waits = trained.look()
    assert not waits.train
    assert waits.figures["new training rows"] == 1
    assert waits.figures["removed training rows"] == 1
    trained.dataset([*TEN[2:], "a" * 32])
    assert trained.look().train


def test_few_new_rows_leave_the_data_version_as_it_was(trained):
    before = trained.storage.require(catalog.RETRAIN_DECISION.name).data_version
    trained.retrain = {"minimum_new_records": 5}
    trained.dataset([*TEN, "a" * 32])
    assert trained.look().version == before


def test_a_changed_learning_rate_needs_no_new_rows(trained):
    trained.retrain = {"minimum_new_records": 1000}
    trained.stages[0]["learning_rate"] = 2e-4
    decision = trained.look()
    assert decision.train
    assert "training.stages.sft changed" in decision.sentence


def test_forgotten_records_that_a_model_saw_need_no_further_rows(trained):
    trained.retrain = {"minimum_new_records": 1000}
    manifest = trained.storage.require("sft_model")
    seen = pl.read_parquet(trained.storage.file(manifest, "exposure"))
    gone = pl.col("record_id") == TEN[0]
    marked = seen.with_columns(forgotten=gone, request=pl.when(gone).then(pl.lit("R-1")))
    trained.store_model(marked, manifest.inputs["approval"])
    assert not trained.look().train, "as long as the data set still holds it, nothing else can be trained"
    trained.dataset(TEN[1:])
    decision = trained.look()
    assert decision.train
    assert decision.figures["forgotten records seen"] == 1
    assert not trained.look().train, "one training is enough"


def test_the_cooldown_runs_from_one_decision_to_the_next(trained):
    trained.retrain = {"cooldown_hours": 12}
    trained.dataset([*TEN, "a" * 32])
    assert trained.unmet(hours=11.9)[-1] == "since the last time"
    assert trained.look(hours=12).train


def test_the_budget_is_of_seven_days(trained):
    trained.retrain = {"maximum_per_week": 2}
    trained.dataset([*TEN, "a" * 32])
    assert trained.look(hours=1).train
    trained.train()
    trained.dataset([*TEN, "b" * 32])
    assert trained.unmet(hours=2)[-1] == "in seven days"
    assert trained.look(hours=24 * 7).train


def test_a_clock_that_was_set_back_makes_no_wait_longer_than_it_should_be(trained):
    trained.retrain = {"cooldown_hours": 12}
    trained.dataset([*TEN, "a" * 32])
    assert not trained.look(hours=-1000).train
    assert trained.look(hours=-1000 + 12).train
