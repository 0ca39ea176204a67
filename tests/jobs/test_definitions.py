import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from fineline.assets.execution.rules import is_rule
from fineline.assets.pipeline import nodes
from fineline.jobs.definitions import build

ROOT = Path(__file__).resolve().parent.parent.parent
# Assets that are a folder of weights and no table.
FOLDERS = ["base_model", "pretrained_model", "sft_model", "aligned_model", "release"]
HEAVY = ["torch", "transformers", "trl", "peft", "spacy", "presidio_analyzer", "sklearn", "cleanlab", "datasets"]


@pytest.fixture(scope="module")
def definitions():
    return build("quickstart")


@pytest.fixture(scope="module")
def specs(definitions):
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def test_the_quickstart_graph_has_the_assets_of_the_design(specs):
    assert set(specs) == {
        "arrivals", "raw_corpus", "scrubbed_corpus", "minhash_signatures", "duplicate_clusters", "record_quality",
        "label_issues", "curated_corpus", "splits", "record_ledger", "sft_dataset", "preference_dataset",
        "pretraining_dataset", "base_model", "retrain_decision", "sft_model", "aligned_model", "evaluation",
        "release", "audit_report", "forgetting_certificates",
    }  # fmt: skip


@pytest.mark.outcome(
    "port", "a launch that gives another recipe or storage root", "refused: the project has no settings"
)
def test_a_launch_can_give_neither_the_recipe_nor_the_storage_root(definitions):
    for job in ("main", "audit", "prune", "forget"):
        config = {"resources": {"project": {"config": {"storage_root": "/elsewhere", "recipe_text": "name: other"}}}}
        assert "project" in dg.validate_run_config(definitions.resolve_job_def(job))["resources"]
        with pytest.raises(dg.DagsterInvalidConfigError, match="storage_root"):
            dg.validate_run_config(definitions.resolve_job_def(job), config)


def missing_parts(spec):
    """What an asset lacks of what every asset has."""
    parts = {
        "docstring": spec.description,
        "guarantee": "Guarantees:" in (spec.description or ""),
        "group": spec.group_name not in (None, "default"),
        "owner": spec.owners,
        "kinds": spec.kinds,
        "code version": spec.code_version,
        "automation condition": spec.automation_condition or spec.group_name == "governance",
        "contract": "contract" in spec.metadata
        or spec.group_name in ("initialization", "models")
        or spec.key.path == ["release"],
    }
    return [name for name, there in parts.items() if not there]


def test_every_asset_has_docstring_group_owner_kinds_contract_code_version_and_condition(specs):
    missing = {name: missing_parts(spec) for name, spec in specs.items() if missing_parts(spec)}
    # Nothing of this project makes arrivals: they come from outside.
    assert missing == {"arrivals": ["code version", "automation condition", "contract"]}


def test_an_asset_without_them_is_noticed():
    bare = dg.AssetSpec("bare")
    assert set(missing_parts(bare)) >= {"docstring", "group", "owner", "kinds", "code version", "contract"}


def test_every_table_has_the_two_standing_checks_and_all_but_those_of_single_rules_block(definitions):
    graph = definitions.resolve_asset_graph()
    checks = {}
    for key in graph.asset_check_keys:
        assert graph.get(key).blocking != is_rule(key.asset_key.to_user_string(), key.name), key
        checks.setdefault(key.asset_key.to_user_string(), set()).add(key.name)
    tables = {
        spec.key.to_user_string() for spec in definitions.resolve_all_asset_specs() if "contract" in spec.metadata
    }
    assert {name for name in tables if not checks[name] >= {"accounted_for", "under_contract"}} == set()


def test_assets_about_the_pipeline_are_in_no_run_of_the_graph_and_follow_nothing(definitions):
    graph = definitions.resolve_asset_graph()
    governance = {key for key in graph.get_all_asset_keys() if graph.get(key).group_name == "governance"}
    assert dg.AssetKey("audit_report") in governance
    assert not governance & definitions.resolve_job_def("main").asset_layer.selected_asset_keys
    assert not governance & {dg.AssetKey(node.name) for node in nodes(definitions.resolve_asset_graph())}
    assert all(graph.get(key).automation_condition is None for key in governance)


def test_stages_that_a_recipe_does_not_ask_for_are_not_in_its_graph(tmp_path):
    recipe = tmp_path / "small.yaml"
    recipe.write_text(
        "name: small\nsources: [{name: docs, kind: python_docs}]\n"
        "datasets: {preference: {sample_rejections: {}}}\ntraining: {stages: [{method: dpo}]}\n"
    )
    graph = build(str(recipe)).resolve_asset_graph()
    names = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert "aligned_model" in names
    assert names.isdisjoint({"sft_dataset", "sft_model", "pretraining_dataset", "pretrained_model"})
    parents = {key.to_user_string() for key in graph.get(dg.AssetKey("aligned_model")).parent_keys}
    assert parents == {"preference_dataset", "base_model", "retrain_decision"}


def test_a_changed_part_of_the_recipe_changes_only_the_code_versions_that_read_it(tmp_path, specs):
    text = (ROOT / "jobs" / "recipes" / "quickstart.yaml").read_text()
    recipe = tmp_path / "changed.yaml"
    recipe.write_text(text.replace("learning_rate: 5.0e-4", "learning_rate: 4.0e-4"))
    changed = {spec.key.to_user_string(): spec.code_version for spec in build(str(recipe)).resolve_all_asset_specs()}
    different = {name for name in changed if changed[name] != specs[name].code_version}
    assert different == {"retrain_decision", "sft_model"}


def test_a_changed_evaluation_set_makes_just_the_curated_corpus_again(tmp_path):
    recipe = tmp_path / "small.yaml"
    recipe.write_text(
        "name: small\nsources: [{name: docs, kind: python_docs}]\n"
        "decontaminate: {against: [{name: test, kind: files, path: test.jsonl, licence: MIT}]}\n"
    )
    versions = []
    for text in (None, "one", "other"):
        if text is not None:
            (tmp_path / "test.jsonl").write_text(text)
        specs = build(str(recipe)).resolve_all_asset_specs()
        versions.append({spec.key.to_user_string(): spec.code_version for spec in specs})
    missing, one, other = versions
    assert [name for name in one if one[name] != other[name]] == ["curated_corpus"]
    assert missing["curated_corpus"] != one["curated_corpus"]


def test_loading_the_definitions_is_light_and_quick():
    program = (
        "import json, sys, time\nimport dagster\nbefore = time.process_time()\nimport fineline.jobs.definitions\n"
        "print(json.dumps([time.process_time() - before, sorted(sys.modules)]))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)
    seconds, modules = json.loads(done.stdout)
    assert [name for name in HEAVY if name in modules] == []
    assert seconds < 3.0


def test_what_a_process_of_dagster_writes_after_it_loaded_the_definitions_is_its_owners_alone():
    program = "import os; os.umask(0o022); import fineline.jobs.definitions; print(oct(os.umask(0)))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0o77\n"


def test_workspace_and_dg_point_at_the_same_definitions():
    assert "fineline.jobs.definitions" in (ROOT / "workspace.yaml").read_text()
    assert 'code_location_target_module = "fineline.jobs.definitions"' in (ROOT / "pyproject.toml").read_text()
