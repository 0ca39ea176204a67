"""Direct preference optimisation (Rafailov et al. 2023): rows {prompt, chosen, rejected}."""

from __future__ import annotations

from typing import Any

from fineline.resources.core.recipe.training import DpoStage
from fineline.resources.models.training.methods.base import Method


class Dpo(Method[DpoStage]):
    """TRL's DPOTrainer; its first loss is ln 2, for the policy starts as its own reference."""

    settings = DpoStage
    makes = "The model after direct preference optimisation"
    sides = 2

    def trainer(self, stage: DpoStage, parts: dict[str, Any], arguments: dict[str, Any]) -> Any:
        """The trainer of a stage."""
        from trl.trainer.dpo_config import DPOConfig
        from trl.trainer.dpo_trainer import DPOTrainer

        from fineline.resources.models.training.cpu import CpuDPOTrainer

        kind = CpuDPOTrainer if arguments["use_cpu"] else DPOTrainer
        return kind(**parts, args=DPOConfig(**arguments, beta=stage.beta))
