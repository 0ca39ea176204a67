import json
import traceback

import pytest

from fineline.resources.core.recipe.base import digest
from fineline.resources.core.recipe.loading import DEFAULT_RECIPE, RecipeError, load_recipe, parse_recipe, recipe_path
from fineline.resources.core.recipe.recipe import Recipe

MINIMAL = "name: mine\nsources:\n  - {name: docs, kind: files, path: docs, licence: CC0-1.0}\n"


@pytest.fixture
def recipe_error(tmp_path):
    def error(text):
        path = tmp_path / "recipe.yaml"
        path.write_text(text)
        with pytest.raises(RecipeError) as caught:
            load_recipe(path)
        return str(caught.value)

    return error


def test_an_unknown_key_is_refused_with_its_path(recipe_error):
    assert "scrub.treshold: unknown key" in recipe_error(MINIMAL + "scrub: {treshold: 0.5}\n")


def test_a_value_out_of_range_says_what_was_expected(recipe_error):
    error = recipe_error(MINIMAL + "deduplicate: {threshold: 7}\n")
    assert "deduplicate.threshold: Input should be less than or equal to 1" in error


def test_an_unknown_kind_of_source_lists_the_known_ones(recipe_error):
    error = recipe_error("name: mine\nsources: [{name: docs, kind: folder}]\n")
    assert "sources.0" in error
    assert "'python_docs', 'package_readmes', 'files', 'huggingface', 'sql'" in error


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("split: {validation: 0.5, test: 0.5}\n", "train gets records"),
        ("training: {stages: [{method: sft}]}\n", "training.stages.0 (sft) needs datasets.sft"),
        (
            "training: {stages: [{method: pretraining}]}\ndatasets: {pretraining: {}}\n",
            "their test rows judge the model",
        ),
        ("datasets: {sft: {sources: [other]}}\n", "unknown ['other']; the sources are ['docs']"),
        ("balance: {weights: {other: 2}}\n", "balance.weights: unknown ['other']; the sources are ['docs']"),
        ("quality: {languages: [English]}\n", "quality.languages.0: String should match pattern"),
        ("labels: {sources: [other]}\n", "labels.sources: unknown ['other']; the sources are ['docs']"),
        (
            "decontaminate: {against: [{name: docs, kind: files, path: test, licence: MIT}]}\n",
            "the name 'docs' is given twice",
        ),
        (
            "datasets: {sft: {maximum_tokens: 900}}\ntraining: {stages: [{method: sft, maximum_tokens: 512}]}\n",
            "training.stages.0.maximum_tokens (512) is below datasets.sft.maximum_tokens (900): answers would be cut",
        ),
        ("training: {stages: [{method: sft}, {method: dpo, bet: 1}]}\n", "training.stages.1.bet: unknown key"),
        (
            "training: {stages: [{method: sft, maximum_tokens: 5}]}\n",
            "training.stages.0.maximum_tokens: Input should be greater than or equal to 16",
        ),
        ("training: {stages: [{method: sft, name: Sft}]}\n", "training.stages.0.name: String should match pattern"),
        ("training: {stages: [{method: orpo}]}\n", "expected tags: 'pretraining', 'sft', 'dpo'"),
        ("training: {stages: [{method: sft}, {method: sft}]}\n", "training.stages: the name 'sft' is given twice"),
        ("training: {stages: [{method: sft, name: base}]}\n", "would make base_model, which is another asset"),
    ],
)
def test_parts_that_do_not_fit_together_are_told(recipe_error, text, says):
    assert says in recipe_error(MINIMAL + text)


def test_two_sources_of_one_name_are_refused(recipe_error):
    source = "  - {name: docs, kind: python_docs}\n"
    assert "'docs' is given twice" in recipe_error(f"name: mine\nsources:\n{source}{source}")


def test_text_that_is_not_yaml_is_told(recipe_error):
    assert "is not valid YAML" in recipe_error("name: [")


def test_a_recipe_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("name: größe\n", encoding="latin-1")
    with pytest.raises(RecipeError, match="is not UTF-8 text"):
        load_recipe(path)


def test_a_missing_recipe_lists_the_shipped_ones(tmp_path):
    with pytest.raises(RecipeError, match="quickstart"):
        load_recipe(tmp_path / "none.yaml")


def test_a_bare_name_is_a_shipped_recipe():
    assert recipe_path("quickstart") == DEFAULT_RECIPE


def test_relative_paths_start_at_the_recipes_folder(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(MINIMAL)
    assert load_recipe(path).sources[0].path == (tmp_path / "docs").resolve()


def test_a_local_dataset_folder_starts_at_the_recipes_folder_and_a_hub_id_stays(tmp_path):
    (tmp_path / "local" / "set").mkdir(parents=True)
    path = tmp_path / "recipe.yaml"
    for given, read in [("local/set", str(tmp_path / "local" / "set")), ("openai/gsm8k", "openai/gsm8k")]:
        path.write_text(f"name: m\nsources: [{{name: d, kind: huggingface, id: {given}, licence: MIT}}]\n")
        assert load_recipe(path).sources[0].id == read


def test_a_digest_follows_values_and_not_the_way_they_are_written(tmp_path):
    path = tmp_path / "recipe.yaml"
    digests = []
    for text in ("", "scrub: {}\n", "# a comment\nscrub:\n  workers: 2\n", "scrub: {workers: 3}\n"):
        path.write_text(MINIMAL + text)
        digests.append(digest(load_recipe(path).scrub))
    assert digests[0] == digests[1] == digests[2] != digests[3]


def test_the_json_schema_names_every_section():
    sections = json.loads(json.dumps(Recipe.model_json_schema()))["properties"]
    order = ["sources", "scrub", "deduplicate", "quality", "split", "datasets", "base_model", "training", "evaluation"]
    assert [name for name in sections if name in order] == order


@pytest.mark.parametrize(
    "value",
    [
        *("ftp://ann:hunter2@host/in", "ftp://ann:hun/ter2@host/in", "zip://a.csv::https://ann:hunter2@host/a.zip"),
        *(
            "https://host/a.jsonl?x=1&sig=hunter2",
            "s3://bucket/?X-Amz-Security-Token=hunter2",
            "ftp://ann:hunter2$PW@host/",
        ),
    ],
)
def test_a_secret_in_a_recipe_is_refused_without_being_shown(recipe_error, value):
    error = recipe_error(MINIMAL.replace("path: docs", f"path: '{value}'"))
    assert "holds a password, token or key in sources.0.path" in error
    assert "$PASSWORD" in error
    assert "hun" not in error


@pytest.mark.parametrize(
    "value",
    [
        *("ftp://ann:$PASSWORD@host/in", "ftp://ann:${PASSWORD}@host/in", "ftp://ann@host/in", "s3://bucket/a:b/c@d"),
        *("https://host:8080/@x", "https://host/a.jsonl?sig=$SIG&download=1", "zip://a.csv::https://host/@a.zip"),
    ],
)
def test_an_address_with_its_secrets_in_variables_is_taken(tmp_path, value):
    assert parse_recipe(MINIMAL.replace("path: docs", f"path: '{value}'"), tmp_path / "a.yaml").sources[0].path == value


def test_no_error_of_a_recipe_quotes_it_nor_has_a_cause_that_does(tmp_path):
    for text in (f"{MINIMAL}alerts: {{format: hunter2}}\n", f"{MINIMAL}  password: hunter2: x\n"):
        with pytest.raises(RecipeError) as caught:
            parse_recipe(text, tmp_path / "a.yaml")
        assert "hunter2" not in "".join(traceback.format_exception(caught.value))
