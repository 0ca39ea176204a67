"""An estimate of the memory that a training stage needs, made before the model is loaded. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

from fineline.resources.core.recipe.training import TrainingStage
from fineline.resources.models.base.folders import count_parameters, model_config
from fineline.resources.models.training.methods import method_of
from fineline.resources.models.worker.protocol import ModelError

LIBRARIES_MB = 900
BYTES = {"bfloat16": 2, "float32": 4}
LOGIT_COPIES_IN_FLOAT32 = 3


@dataclass(frozen=True)
class ModelShape:
    """The dimensions of a decoder that its memory depends on."""

    parameters: int
    vocabulary: int
    hidden: int
    intermediate: int
    layers: int


def shape_of(folder: Path) -> ModelShape:
    """The shape of a prepared model folder."""
    config = model_config(folder)
    return ModelShape(
        parameters=count_parameters(folder),
        vocabulary=config["vocab_size"],
        hidden=config["hidden_size"],
        intermediate=config["intermediate_size"],
        layers=config["num_hidden_layers"],
    )


def estimate_memory(shape: ModelShape, stage: TrainingStage, *, dtype: str, longest_row: int) -> float:
    """Memory in MB that a training stage takes at its peak on a CPU.

    The sum of libraries, frozen weights, adapters with gradients and Adam's moments (float32), what the
    layers keep for the backward pass, and the logits. Constants are fitted to measured peaks.
    """
    size = BYTES[dtype]
    method = method_of(stage)
    length = stage.maximum_tokens if method.packed else longest_row
    tokens = stage.batch_size * length * method.sides
    adapters = stage.lora.rank * shape.layers * (9 * shape.hidden + 3 * shape.intermediate) * 4 * 4
    kept = tokens * shape.layers * (14 * shape.hidden + 6 * shape.intermediate) * size
    logits = tokens * shape.vocabulary * (size + 4 * LOGIT_COPIES_IN_FLOAT32)
    return LIBRARIES_MB + (shape.parameters * size * 2 + adapters + kept + logits) / 1e6


def check_memory(shape: ModelShape, stage: TrainingStage, *, dtype: str, longest_row: int) -> None:
    """Refuse a stage that will not fit, before minutes are spent on it.

    Raises:
        ModelError: the memory needed, the memory available, and what to make smaller.
    """
    needed = estimate_memory(shape, stage, dtype=dtype, longest_row=longest_row)
    available = psutil.virtual_memory().available / 1e6
    if needed > available:
        raise ModelError(
            f"Training needs about {needed:,.0f} MB of memory, and {available:,.0f} MB are available.",
            f"Lower batch_size (now {stage.batch_size}) or maximum_tokens (now {stage.maximum_tokens}) of the "
            "stage, or take a smaller base model.",
        )
