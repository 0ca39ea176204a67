"""Training stages in a recipe."""

from typing import get_args

import pytest
from pydantic import ValidationError
from support.model_tasks import dpo_stage, sft_stage

from fineline.resources.core.recipe.training import AnyStage, Training


def test_a_method_may_come_twice_under_two_names_and_the_lists_order_counts():
    training = Training(stages=[dpo_stage(), sft_stage(name="polite"), dpo_stage(name="safe")])
    assert [(stage.name, stage.dataset.name) for stage in training.stages] == [
        ("aligned", "preference_dataset"),
        ("polite", "sft_dataset"),
        ("safe", "preference_dataset"),
    ]
    assert [stage.model for stage in training.stages] == ["aligned_model", "polite_model", "safe_model"]
    assert training.stage("safe") is training.stages[2]


def test_usual_names_differ_from_method_to_method():
    (union, _) = get_args(AnyStage)
    names = [kind.model_fields["name"].default for kind in get_args(union)]
    assert sorted(names) == ["aligned", "pretrained", "sft"]


def test_the_schema_of_every_stage_describes_its_steps():
    (union, _) = get_args(AnyStage)
    for stage in get_args(union):
        described = stage.model_json_schema()["properties"]
        assert described["steps"]["description"] == "Optimizer steps."
        assert described["batch_size"]["description"] == "Rows a step."


def test_two_stages_of_one_name_are_refused():
    with pytest.raises(ValidationError, match="the name 'sft' is given twice"):
        Training(stages=[sft_stage(), sft_stage()])
