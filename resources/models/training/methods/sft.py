"""Supervised fine-tuning, with the loss on the completion only: rows {prompt, completion}."""

from __future__ import annotations

from typing import Any

from fineline.resources.core.recipe.training import SftStage
from fineline.resources.models.training.methods.base import Method


class Sft(Method[SftStage]):
    """TRL's SFTTrainer on conversations."""

    settings = SftStage
    makes = "The model after supervised fine-tuning on conversations"

    def trainer(self, stage: SftStage, parts: dict[str, Any], arguments: dict[str, Any]) -> Any:
        """The trainer of a stage."""
        from trl.trainer.sft_config import SFTConfig
        from trl.trainer.sft_trainer import SFTTrainer

        from fineline.resources.models.training.cpu import CpuSFTTrainer

        kind = CpuSFTTrainer if arguments["use_cpu"] else SFTTrainer
        return kind(**parts, args=SFTConfig(**arguments, completion_only_loss=True))
