"""The training methods, one module each. Imports no torch."""

from typing import Any

from fineline.resources.core.recipe.training import TrainingStage
from fineline.resources.models.training.methods.base import Method
from fineline.resources.models.training.methods.dpo import Dpo
from fineline.resources.models.training.methods.pretraining import Pretraining
from fineline.resources.models.training.methods.sft import Sft

METHODS: dict[str, Method[Any]] = {method.name: method for method in (Pretraining(), Sft(), Dpo())}


def method_of(stage: TrainingStage) -> Method[Any]:
    """The method of a recipe's stage."""
    return METHODS[stage.method]
