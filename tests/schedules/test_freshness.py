from datetime import timedelta

import dagster as dg
import pytest

from fineline.jobs.definitions import build
from fineline.resources.core.recipe.operations import Freshness
from fineline.schedules.automation import freshness_policy

RECIPE = """\
name: fresh
sources: [{name: docs, kind: python_docs}]
datasets: {sft: {}}
training: {stages: [{method: sft}]}
"""


@pytest.fixture
def policies(tmp_path):
    def policies(section=""):
        path = tmp_path / "recipe.yaml"
        path.write_text(RECIPE + section)
        specs = build(str(path)).resolve_all_asset_specs()
        return {spec.key.to_user_string(): spec.freshness_policy for spec in specs if spec.freshness_policy}

    return policies


def test_nothing_is_ever_overdue_by_default(policies):
    assert policies() == {}


def test_hours_in_the_recipe_are_the_window_of_corpus_and_release(policies):
    found = policies("freshness: {corpus_hours: 26, release_hours: 200}\n")
    assert {name: policy.fail_window.to_timedelta() for name, policy in found.items()} == {
        "raw_corpus": timedelta(hours=26),
        "curated_corpus": timedelta(hours=26),
        "release": timedelta(hours=200),
    }


def test_each_setting_concerns_its_own_assets():
    assert freshness_policy("release", Freshness(corpus_hours=1)) is None
    assert freshness_policy("raw_corpus", Freshness(release_hours=1)) is None
    assert isinstance(freshness_policy("release", Freshness(release_hours=1)), dg.FreshnessPolicy)
