"""Checkpoints that a training run may resume from, and the loss curve that it writes while it runs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from fineline.resources.core.storage.files import sync, write_atomically
from fineline.resources.models.base.folders import weights_sha256
from fineline.resources.models.training.tasks import Train
from fineline.resources.models.worker.protocol import Log

MARK = "fineline.json"
CURVE = {
    "loss": "loss",
    "eval_loss": "validation_loss",
    "learning_rate": "learning_rate",
    "grad_norm": "gradient_norm",
    "rewards/margins": "reward_margin",
    "rewards/accuracies": "reward_accuracy",
    "eval_rewards/accuracies": "validation_reward_accuracy",
}


def run_identity(task: Train) -> str:
    """A hash of everything that the weights of a run depend on: settings, starting weights and rows."""
    digest = hashlib.sha256(task.model_dump_json(include={"stage", "dtype"}).encode())
    digest.update(weights_sha256(Path(task.model)).encode())
    digest.update(Path(task.train).read_bytes())
    return digest.hexdigest()


def newest_step(folder: Path, run: str) -> int:
    """The step of the newest complete checkpoint of this run, 0 where there is none. Those of others do not count."""
    steps = [
        int(path.parent.name.removeprefix("checkpoint-"))
        for path in folder.glob(f"checkpoint-*/{MARK}")
        if json.loads(path.read_text(encoding="utf-8"))["run"] == run
    ]
    return max(steps, default=0)


def point(entry: dict[str, float]) -> dict[str, float]:
    """A log entry of the trainer as a point of the curve: the step and its measurements."""
    return {"step": entry["step"], **{CURVE[key]: entry[key] for key in CURVE if key in entry}}


class Progress(TrainerCallback):
    """Writes the curve and a log line at each logged step, and marks complete checkpoints."""

    def __init__(self, curve: Path, log: Log, run: str) -> None:
        self.curve = curve
        self.log = log
        self.run = run

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the curve, with the steps before a resumed run."""
        points = [point(entry) for entry in state.log_history]
        self.curve.write_text("".join(json.dumps(p) + "\n" for p in points if len(p) > 1), encoding="utf-8")

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Add a point to the curve and log it in a line."""
        values = point({**kwargs["logs"], "step": state.global_step})
        if not values.keys() & {"loss", "validation_loss"}:
            return
        with self.curve.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")
        measured = [f"{key.replace('_', ' ')} {value:.4g}" for key, value in values.items() if key != "step"]
        self.log(f"step {state.global_step} of {state.max_steps}: {', '.join(measured)}")

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mark the checkpoint as complete, and as that of this run: the trainer has written all of its files."""
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        for path in (*checkpoint.rglob("*"), checkpoint, checkpoint.parent):
            sync(path)
        write_atomically(checkpoint / MARK, json.dumps({"run": self.run}).encode())
