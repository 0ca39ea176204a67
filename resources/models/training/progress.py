"""What a training run tells while it runs: a line a step, ``curve.jsonl``, and marks on its checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from fineline.resources.models.training import checkpoints

CURVE = {
    "loss": "loss",
    "eval_loss": "validation_loss",
    "learning_rate": "learning_rate",
    "grad_norm": "gradient_norm",
    "rewards/margins": "reward_margin",
    "rewards/accuracies": "reward_accuracy",
    "eval_rewards/accuracies": "validation_reward_accuracy",
}


def point(entry: dict[str, float]) -> dict[str, float]:
    """A log entry of the trainer as a point of the curve: the step and what was measured there."""
    return {"step": entry["step"], **{CURVE[key]: entry[key] for key in CURVE if key in entry}}


class Progress(TrainerCallback):
    """Writes the curve and a log line at each logged step, and marks whole checkpoints."""

    def __init__(self, curve: Path, log: Callable[[str], None], run: str) -> None:
        self.curve = curve
        self.log = log
        self.run = run

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the curve with the steps that a resumed run has behind it."""
        points = [point(entry) for entry in state.log_history]
        self.curve.write_text("".join(json.dumps(p) + "\n" for p in points if len(p) > 1), encoding="utf-8")

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Add a point to the curve and say it in a line."""
        values = point({**kwargs["logs"], "step": state.global_step})
        if not values.keys() & {"loss", "validation_loss"}:
            return
        with self.curve.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")
        measured = [f"{key.replace('_', ' ')} {value:.4g}" for key, value in values.items() if key != "step"]
        self.log(f"step {state.global_step} of {state.max_steps}: {', '.join(measured)}")

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The trainer has written all files of a checkpoint."""
        checkpoints.mark(Path(args.output_dir) / f"checkpoint-{state.global_step}", self.run)
