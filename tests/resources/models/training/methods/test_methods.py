"""The table of training methods against the recipe's."""

from typing import get_args

from support.model_tasks import dpo_stage, pretraining_stage, sft_stage

from fineline.resources.core.recipe.training import AnyStage
from fineline.resources.models.training.methods import METHODS, method_of


def test_every_method_that_a_recipe_may_name_is_in_the_table_with_its_settings():
    (union, _) = get_args(AnyStage)
    assert [method.settings for method in METHODS.values()] == list(get_args(union))


def test_a_stage_finds_its_method():
    assert [method_of(stage()).name for stage in (pretraining_stage, sft_stage, dpo_stage)] == list(METHODS)


def test_only_preferences_are_read_twice():
    assert {name for name, method in METHODS.items() if method.sides == 2} == {"dpo"}
