"""The training arguments that all stages share, and the trainer that a stage's method builds with them."""

from __future__ import annotations

import math
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import Trainer, TrainerCallback

from fineline.resources.core.recipe.training import TrainingStage
from fineline.resources.models.training.methods import method_of
from fineline.resources.models.training.tasks import Train

VALIDATION_ROWS = 32


def arguments(task: Train, *, validate: bool, from_start: bool) -> dict[str, Any]:
    """The training arguments that all stages share, by the names of transformers' TrainingArguments."""
    stage, cuda = task.stage, torch.cuda.is_available()
    return {
        "output_dir": task.checkpoints,
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
        "bf16": task.dtype == "bfloat16",
        "gradient_checkpointing": cuda,
        "logging_steps": 1,
        "eval_strategy": "steps" if validate else "no",
        "eval_steps": math.ceil(stage.steps / 2),
        "eval_on_start": validate and from_start,
        "save_strategy": "steps",
        "save_steps": max(5, stage.steps // 4),
        "save_total_limit": 1,
        "report_to": "none",
        # The callback reports progress; the trainer's own lines would repeat it
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
    task: Train,
    model: Any,
    tokenizer: Any,
    train: Dataset,
    validation: Dataset | None,
    callback: TrainerCallback,
    *,
    from_start: bool,
) -> Trainer:
    """The trainer of a stage, as its method builds it."""
    shared = arguments(task, validate=validation is not None, from_start=from_start)
    parts = {
        "model": model,
        "processing_class": tokenizer,
        "train_dataset": train,
        "eval_dataset": validation,
        "peft_config": lora(task.stage),
        "callbacks": [callback],
    }
    return method_of(task.stage).trainer(task.stage, parts, shared)
