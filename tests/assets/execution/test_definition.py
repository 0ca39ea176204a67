"""What a body can read of the recipe, and what its code version follows."""

import dagster as dg
import pytest

from fineline.assets.execution.definition import asset
from fineline.assets.execution.run import Run
from fineline.data_contracts import catalog
from fineline.resources.core.recipe.recipe import Recipe

RECIPE = {"name": "small", "sources": [{"name": "docs", "kind": "python_docs"}]}


def of(body, recipe=None, given=None, **options):
    """The asset of a body, for a recipe."""
    built = asset(catalog.SPLITS, version="7", **options)(body).build(
        Recipe.model_validate({**RECIPE, **(recipe or {})}), catalog.SPLITS, given=given
    )
    return built.get_asset_spec()


def reads_split(run, split):
    """A split."""


def reads_ngram(run, ngram):
    """A number."""


def test_a_changed_section_changes_the_version_of_the_body_that_declares_it_alone():
    changed = {"split": {"test": 0.2}}
    assert of(reads_split).code_version != of(reads_split, changed).code_version
    options = {"reads": {"ngram": "decontaminate.ngram"}}
    assert of(reads_ngram, **options).code_version == of(reads_ngram, changed, **options).code_version


def test_what_no_path_of_the_recipe_names_is_part_of_the_version_too():
    assert of(reads_ngram, given={"ngram": 1}).code_version != of(reads_ngram, given={"ngram": 2}).code_version


def test_the_version_of_the_engine_is_part_of_the_version():
    assert of(reads_split).code_version.startswith("7-")


def test_a_section_that_the_recipe_does_not_have_is_refused_when_definitions_load():
    def misspelt(run, spilt):
        """A split."""

    with pytest.raises(AttributeError, match="spilt"):
        of(misspelt)


def test_a_run_gives_no_way_to_the_recipe():
    public = [name for name in dir(Run) if not name.startswith("_")]
    as_evidence = ["recipe_name", "recipe_text", "recipe_metadata"]
    assert not [name for name in public if "recipe" in name and name not in as_evidence]
    assert "project" not in public


def test_the_definition_has_contract_columns_lineage_and_code_in_the_ways_of_dagster():
    metadata = of(reads_split).metadata
    columns = {column.name: column for column in metadata["dagster/column_schema"].columns}
    assert list(columns) == catalog.SPLITS.schema.column_names()
    assert columns["stratum"].description.startswith("The group of records")
    lineage = metadata["dagster/column_lineage"].deps_by_column
    assert dg.TableColumnDep(dg.AssetKey("curated_corpus"), "record_id") in lineage["record_id"]
    assert lineage["stratum"] == []
    (reference,) = metadata["dagster/code_references"].code_references
    assert reference.file_path == __file__
    assert metadata["dagster/table_name"] == "small.splits"
