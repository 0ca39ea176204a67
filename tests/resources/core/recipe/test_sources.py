"""The shipped recipes load, and corpus_folder.yaml shows every option with its default."""

import re
from typing import Any

import pytest
import yaml

from fineline.resources.core.recipe.base import Section
from fineline.resources.core.recipe.loading import RECIPES, load_recipe
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.models.training.methods import METHODS

REFERENCE = RECIPES / "corpus_folder.yaml"
COMMENTED_OUT = re.compile(r"^( *)# ( *(?:- )?[a-z_]+:(?: .*)?)$", re.MULTILINE)

# Sections that are off by default; the reference turns the first two on, and shows the others commented out.
OFF_BY_DEFAULT = {
    "datasets.sft",
    "training.stages",
    "datasets.preference",
    "datasets.preference.sample_rejections",
    "datasets.pretraining",
}


def with_all_options() -> list[dict[str, Any]]:
    """The reference with all that is commented out, once with each kind of base model."""
    text = COMMENTED_OUT.sub(r"\1\2", REFERENCE.read_text(encoding="utf-8"))
    text = COMMENTED_OUT.sub(r"\1\2", text)
    blocks = [yaml.safe_load(block) for block in re.split(r"(?m)^(?=[a-z_]+:)", text)[1:]]
    recipe = {key: value for block in blocks for key, value in block.items() if key != "base_model"}
    return [{**recipe, **block} for block in blocks if "base_model" in block]


def sections(model: Section, written: Any, path: str = "") -> list[tuple[str, Section, dict[str, Any]]]:
    """Each section below with what the file has for it."""
    found = [(path, model, written)]
    for name in type(model).model_fields:
        value = getattr(model, name)
        below = f"{path}.{name}".lstrip(".")
        if isinstance(value, Section):
            found += sections(value, written.get(name, {}), below)
        elif isinstance(value, list) and isinstance(value[0] if value else None, Section):
            for place, each in enumerate(value):
                found += sections(each, written[name][place], below)
    return found


@pytest.mark.parametrize("name", ["gsm8k", "corpus_folder"])
def test_the_recipe_loads(name):
    assert load_recipe(RECIPES / f"{name}.yaml").training.stages


@pytest.mark.parametrize("name", ["gsm8k", "corpus_folder"])
def test_the_recipe_opens_with_the_command_that_runs_it(name):
    first = (RECIPES / f"{name}.yaml").read_text().splitlines()[0]
    assert first == f"# make run RECIPE=jobs/recipes/{name}.yaml"


def test_the_folder_of_the_reference_lies_beside_it():
    assert load_recipe(REFERENCE).sources[0].path == RECIPES / "my_corpus"


def test_the_reference_names_every_option():
    missing = [
        f"{path}: {name}"
        for written in with_all_options()
        for path, model, values in sections(Recipe.model_validate(written), written)
        for name in type(model).model_fields
        if name not in values
    ]
    assert missing == []


def test_the_reference_names_every_kind_of_source_and_base_model():
    schema = Recipe.model_json_schema()["properties"]
    recipes = with_all_options()
    kinds = {source["kind"] for source in recipes[0]["sources"]}
    assert kinds == set(schema["sources"]["items"]["discriminator"]["mapping"])
    assert {each["base_model"]["kind"] for each in recipes} == set(schema["base_model"]["discriminator"]["mapping"])


def test_the_reference_names_every_training_method():
    stages = with_all_options()[0]["training"]["stages"]
    assert {stage["method"] for stage in stages} == set(METHODS)


def test_the_values_of_the_reference_are_the_defaults():
    other = set()
    for written in with_all_options():
        for path, model, _ in sections(Recipe.model_validate(written), written):
            for name, field in type(model).model_fields.items():
                value, below = getattr(model, name), f"{path}.{name}".lstrip(".")
                if field.is_required() or (isinstance(value, Section) and isinstance(field.default, Section)):
                    continue
                if value != field.default:
                    other.add(below)
    assert other == OFF_BY_DEFAULT


def test_every_option_of_the_reference_is_explained():
    text = REFERENCE.read_text(encoding="utf-8").splitlines()
    bare = [
        line
        for before, line, after in zip(["", *text], text, [*text[1:], ""], strict=False)
        if re.match(r" *(# +)?[a-z_]+: +[^ #]", line)
        and " # " not in line.removeprefix("#").lstrip().removeprefix("# ")
        and not after.lstrip().startswith("# ")
        and not before.lstrip().startswith("#")
    ]
    assert bare == []
