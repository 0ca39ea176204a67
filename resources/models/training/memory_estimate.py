"""An estimate of the memory that a training stage needs, made before the model is loaded. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psutil

from fineline.resources.core.recipe.training import TrainingStage
from fineline.resources.models.base.folders import count_parameters, model_config
from fineline.resources.models.training.methods import method_of
from fineline.resources.models.worker.protocol import ModelError

LIBRARIES_MB = 900
BYTES = {"bfloat16": 2, "float32": 4}
LOGIT_COPIES_IN_FLOAT32 = 3


def estimate_memory(
    parameters: int, config: Mapping[str, int], stage: TrainingStage, *, dtype: str, longest_row: int
) -> float:
    """Memory in MB that a training stage takes at its peak on a CPU; ``config`` is the model's config.json.

    The sum of libraries, frozen weights, adapters with gradients and Adam's moments (float32), what the
    layers keep for the backward pass, and the logits. Constants are fitted to measured peaks.
    """
    size, method = BYTES[dtype], method_of(stage)
    hidden, intermediate, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    tokens = stage.batch_size * (stage.maximum_tokens if method.packed else longest_row) * method.sides
    adapters = stage.lora.rank * layers * (9 * hidden + 3 * intermediate) * 4 * 4
    kept = tokens * layers * (14 * hidden + 6 * intermediate) * size
    logits = tokens * config["vocab_size"] * (size + 4 * LOGIT_COPIES_IN_FLOAT32)
    return LIBRARIES_MB + (parameters * size * 2 + adapters + kept + logits) / 1e6


def check_memory(folder: Path, stage: TrainingStage, *, dtype: str, longest_row: int) -> None:
    """Refuse a stage that will not fit with the model in a folder, before minutes are spent on it.

    Raises:
        ModelError: the memory needed, the memory available, and what to make smaller.
    """
    needed = estimate_memory(
        count_parameters(folder), model_config(folder), stage, dtype=dtype, longest_row=longest_row
    )
    available = psutil.virtual_memory().available / 1e6
    if needed > available:
        raise ModelError(
            f"Training needs about {needed:,.0f} MB of memory, and {available:,.0f} MB are available.",
            f"Lower batch_size (now {stage.batch_size}) or maximum_tokens (now {stage.maximum_tokens}) of the "
            "stage, or take a smaller base model.",
        )
