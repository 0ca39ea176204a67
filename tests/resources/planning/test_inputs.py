from dataclasses import replace

from support.places import asset_folder

from fineline.data_contracts import catalog
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Storage
from fineline.resources.planning.inputs import inputs_now, unchanged_batches

INPUTS = {"scrubbed_corpus[docs/1]": "a", "scrubbed_corpus[docs/2]": "b", "duplicate_clusters": "c"}
BEFORE = Manifest(
    asset="record_quality", batch=None, data_version="v", code_version="1", inputs=INPUTS, files={}, run_id="r"
)


def test_batches_with_the_version_of_last_time_are_unchanged():
    now = {**INPUTS, "scrubbed_corpus[docs/2]": "other", "scrubbed_corpus[docs/3]": "new", "duplicate_clusters": "d"}
    assert unchanged_batches(BEFORE, "1", now, "scrubbed_corpus") == ["docs/1"]


def test_nothing_is_unchanged_for_other_code_or_an_asset_that_was_never_made():
    assert unchanged_batches(BEFORE, "2", INPUTS, "scrubbed_corpus") == []
    assert unchanged_batches(None, "1", INPUTS, "scrubbed_corpus") == []


def test_a_batch_may_have_brackets_in_its_name():
    inputs = {"scrubbed_corpus[docs/a[1].txt]": "a"}
    before = BEFORE.model_copy(update={"inputs": inputs})
    assert unchanged_batches(before, "1", inputs, "scrubbed_corpus") == ["docs/a[1].txt"]


def test_a_data_set_that_failed_its_check_leaves_open_what_is_decided(tmp_path):
    storage = Storage(tmp_path)
    for asset, failed in (("base_model", []), ("sft_dataset", ["tokens_teach"])):
        asset_folder(storage, asset).mkdir(parents=True)
        storage.commit(
            Manifest(
                asset=asset, batch=None, data_version="v", code_version="1", inputs={}, files={},
                failed_checks=failed, run_id="r",
            )
        )  # fmt: skip
    recipe = Recipe.model_validate(
        {
            "name": "blocked",
            "sources": [{"name": "docs", "kind": "python_docs"}],
            "datasets": {"sft": {}},
            "training": {"stages": [{"method": "sft"}]},
        }
    )
    decision = replace(catalog.RETRAIN_DECISION, upstream=("base_model", "sft_dataset"))
    inputs = inputs_now(storage, recipe, decision, None, [], storage.manifest)
    assert inputs == {"base_model": "v", "sft_dataset": "v", "decision": "blocked"}
