"""Continued pretraining on packed text: rows {text}."""

from __future__ import annotations

from typing import Any

from fineline.resources.core.recipe.training import PretrainingStage
from fineline.resources.models.training.methods.base import Method


class Pretraining(Method[PretrainingStage]):
    """TRL's SFTTrainer on whole texts, several of them in one row, which do not see each other."""

    settings = PretrainingStage
    makes = "The base model after continued pretraining on plain text"
    packed = True

    def trainer(self, stage: PretrainingStage, parts: dict[str, Any], arguments: dict[str, Any]) -> Any:
        """The trainer of a stage."""
        from trl.trainer.sft_config import SFTConfig
        from trl.trainer.sft_trainer import SFTTrainer

        from fineline.resources.models.training.cpu import CpuSFTTrainer

        kind = CpuSFTTrainer if arguments["use_cpu"] else SFTTrainer
        # Packed rows have no padding, and pad == eos in many models would be counted as such
        arguments = {**arguments, "include_num_input_tokens_seen": "all"}
        return kind(**parts, args=SFTConfig(**arguments, packing=True, packing_strategy="bfd"))
