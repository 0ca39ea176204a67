"""TRL's trainers with the settings of a recipe's stage."""

from __future__ import annotations

from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import Trainer, TrainerCallback
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from fineline.resources.core.recipe.models import TrainingStage
from fineline.resources.models.training.cpu import CpuDPOTrainer, CpuSFTTrainer
from fineline.resources.models.worker.tasks import Train, TrainDpo, TrainPretraining, TrainSft

VALIDATION_ROWS = 32


def arguments(spec: Train, stage: TrainingStage, *, cuda: bool, validate: bool, from_start: bool) -> dict[str, Any]:
    """Settings that all stages share."""
    half = -(-stage.steps // 2)
    return {
        "output_dir": spec.checkpoints,
        "max_steps": stage.steps,
        "per_device_train_batch_size": stage.batch_size,
        "per_device_eval_batch_size": stage.batch_size,
        "learning_rate": stage.learning_rate,
        "warmup_steps": round(stage.warmup * stage.steps),
        "max_length": stage.maximum_tokens,
        "seed": stage.seed,
        "data_seed": stage.seed,
        "use_cpu": not cuda,
        # Adapters stay float32; autocast runs their products in bfloat16, a tenth faster than without
        "bf16": spec.dtype == "bfloat16",
        "gradient_checkpointing": cuda,
        "logging_steps": 1,
        "logging_first_step": True,
        "eval_strategy": "steps" if validate else "no",
        "eval_steps": half,
        "eval_on_start": validate and from_start,
        "save_strategy": "steps",
        "save_steps": max(5, stage.steps // 4),
        "save_total_limit": 1,
        "report_to": "none",
        # The callback tells the progress; the trainer's own lines would repeat it
        "disable_tqdm": True,
        "log_level": "error",
        "dataloader_pin_memory": cuda,
        "include_num_input_tokens_seen": "non_padding",
    }


def lora(stage: TrainingStage) -> LoraConfig:
    """Low-rank adapters on every linear layer but the output head."""
    return LoraConfig(
        r=stage.lora.rank,
        lora_alpha=stage.lora.alpha,
        lora_dropout=stage.lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def make_trainer(
    spec: TrainPretraining | TrainSft | TrainDpo,
    model: Any,
    tokenizer: Any,
    train: Dataset,
    validation: Dataset | None,
    callback: TrainerCallback,
    *,
    from_start: bool,
) -> Trainer:
    """The trainer of a stage. Its first DPO loss is ln 2, for the policy starts as its own reference."""
    cuda = torch.cuda.is_available()
    shared = arguments(spec, spec.stage, cuda=cuda, validate=validation is not None, from_start=from_start)
    parts = {
        "model": model,
        "processing_class": tokenizer,
        "train_dataset": train,
        "eval_dataset": validation,
        "peft_config": lora(spec.stage),
        "callbacks": [callback],
    }
    sft, dpo = (SFTTrainer, DPOTrainer) if cuda else (CpuSFTTrainer, CpuDPOTrainer)
    match spec:
        case TrainPretraining():
            # Packed rows have no padding, and pad == eos in many models would be counted as such
            shared["include_num_input_tokens_seen"] = "all"
            return sft(**parts, args=SFTConfig(**shared, packing=True, packing_strategy="bfd"))
        case TrainSft():
            return sft(**parts, args=SFTConfig(**shared, completion_only_loss=True))
        case TrainDpo():
            return dpo(**parts, args=DPOConfig(**shared, beta=spec.stage.beta))
