"""The catalogue against Dagster's own graph, for every shipped recipe."""

import pytest

from fineline.assets.pipeline import recipe_graph
from fineline.data_contracts import catalog
from fineline.data_contracts.catalog import Partition
from fineline.jobs.definitions import build
from fineline.resources.core.recipe.loading import RECIPES, load_recipe

RECIPE_NAMES = sorted(path.stem for path in RECIPES.glob("*.yaml"))


@pytest.mark.parametrize("name", RECIPE_NAMES)
def test_the_catalogue_is_dagsters_graph(name):
    path = RECIPES / f"{name}.yaml"
    dagsters = build(str(path)).resolve_asset_graph()
    entries = recipe_graph(load_recipe(path))
    found = {
        key.to_user_string(): (
            dagsters.get(key).group_name,
            {parent.to_user_string() for parent in dagsters.get(key).parent_keys},
            dagsters.get(key).is_partitioned,
        )
        for key in dagsters.toposorted_asset_keys
    }
    assert found == {each.name: (each.group, set(each.upstream), each.per_batch) for each in entries.values()}


@pytest.mark.parametrize("name", RECIPE_NAMES)
def test_entries_come_after_all_that_they_are_made_from(name):
    before: set[str] = set()
    for each in recipe_graph(load_recipe(RECIPES / f"{name}.yaml")).values():
        assert set(each.upstream) <= before
        before.add(each.name)


@pytest.mark.parametrize("asset", [each for each in catalog.ASSETS if each.contract], ids=lambda each: each.name)
def test_every_named_contract_is_a_class(asset):
    assert asset.schema.columns()


@pytest.mark.parametrize("label", ["splits", "raw_corpus[docs/1f9a]", "raw_corpus[docs/a[1].txt]"])
def test_a_label_names_one_partition(label):
    assert Partition.parse(label).label == label


def test_a_trained_model_has_the_pattern_under_its_own_name():
    model = catalog.entry("polite_model")
    assert (model.name, model.gate) == ("polite_model", "retrain_decision")
    assert catalog.stage_of(catalog.model_of("polite")) == "polite"


def test_the_base_model_is_no_trained_model():
    assert not catalog.is_trained_model(catalog.BASE_MODEL.name)


def test_an_unknown_name_is_no_asset():
    with pytest.raises(KeyError, match="other_table"):
        catalog.entry("other_table")


def test_names_sort_in_the_order_in_which_data_flows():
    names = ["release", "unheard_of", "sft_model", "splits", "raw_corpus", "base_model"]
    assert sorted(names, key=catalog.position) == [
        *("raw_corpus", "splits", "base_model", "sft_model", "release", "unheard_of")
    ]


EVERYTHING = """\
name: everything
sources: [{name: docs, kind: python_docs}]
labels: {features: embeddings}
datasets: {pretraining: {}, sft: {}, preference: {sample_rejections: {}}}
training: {stages: [{method: pretraining}, {method: sft}, {method: dpo}, {name: again, method: sft}]}
"""


def test_with_every_section_on_every_entry_is_there_and_the_graph_has_no_cycle(tmp_path):
    recipe = tmp_path / "everything.yaml"
    recipe.write_text(EVERYTHING)
    entries = recipe_graph(load_recipe(recipe))
    patterns = {catalog.TRAINED_MODEL.name if catalog.is_trained_model(name) else name for name in entries}
    assert patterns == {each.name for each in catalog.ASSETS}
    order = list(entries)
    assert all(
        order.index(upstream) < order.index(name) for name, each in entries.items() for upstream in each.upstream
    )
    # Dagster raises where the graph has a cycle.
    assert len(build(str(recipe)).resolve_asset_graph().toposorted_asset_keys) == len(entries)


def test_what_comes_from_outside_of_the_graph_is_made_from_nothing_in_it():
    outside = [each for each in catalog.ASSETS if each.grain is catalog.Grain.EXTERNAL]
    assert outside
    assert [each.upstream for each in outside] == [()] * len(outside)
