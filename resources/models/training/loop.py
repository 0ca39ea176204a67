"""Training of one stage: full weights in, an adapter and merged weights out."""

from __future__ import annotations

import resource
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, PrinterCallback, Trainer

from fineline.resources.models.base.encoding import load_tokenizer
from fineline.resources.models.base.folders import weights_sha256
from fineline.resources.models.base.token_counts import encode_rows
from fineline.resources.models.training.arguments import VALIDATION_ROWS, make_trainer
from fineline.resources.models.training.checkpoints import Progress, newest_step, run_identity
from fineline.resources.models.training.memory_estimate import check_memory
from fineline.resources.models.training.tasks import Train, Trained, ValidationLoss
from fineline.resources.models.worker.protocol import Log, ModelError


def read_rows(path: Path) -> pl.DataFrame:
    """Rows of a JSONL file.

    Raises:
        ModelError: there are none.
    """
    if not path.stat().st_size:
        raise ModelError(
            f"There are no training rows in {path.name}.",
            "Look at the record ledger for what dropped them, and loosen that rule or add a source.",
        )
    return pl.read_ndjson(path, infer_schema_length=None)


def longest_row(rows: pl.DataFrame, tokenizer: Any, maximum_tokens: int) -> int:
    """Tokens of the longest row.

    Raises:
        ModelError: a row is longer than the stage takes, so that its answer would be cut.
    """
    encoded = encode_rows(tokenizer, rows.rename({"chosen": "completion"}, strict=False))
    lengths = [max(len(side.ids) for side in sides) for sides in encoded]
    over = sum(length > maximum_tokens for length in lengths)
    if over:
        raise ModelError(
            f"{over} of {rows.height} training rows are longer than maximum_tokens ({maximum_tokens}); "
            f"the longest has {max(lengths)}, and their answers would be cut.",
            "Raise the stage's maximum_tokens, or lower the dataset's, which leaves such rows out.",
        )
    return max(lengths)


def train_to_end(trainer: Trainer, checkpoint: str | None, *, validate: bool) -> list[ValidationLoss]:
    """Train; returns the validation losses before the first step, halfway and after the last."""
    trainer.train(resume_from_checkpoint=checkpoint)
    history = trainer.state.log_history
    if validate and not any(h["step"] == trainer.state.global_step for h in history if "eval_loss" in h):
        trainer.evaluate()
    return [ValidationLoss(step=int(h["step"]), loss=h["eval_loss"]) for h in history if "eval_loss" in h]


def run(task: Train, log: Log) -> Trained:
    """Train a stage, resuming from a checkpoint of the same run if an earlier attempt left one."""
    stage, output, model_folder = task.stage, Path(task.output), Path(task.model)
    tokenizer = load_tokenizer(model_folder)
    rows = read_rows(Path(task.train))
    longest = longest_row(rows, tokenizer, stage.maximum_tokens)
    check_memory(model_folder, stage, dtype=task.dtype, longest_row=longest)

    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=getattr(torch, task.dtype))
    train, validation = Dataset.from_list(rows.to_dicts()), None
    if task.validation is not None:
        validation = Dataset.from_list(read_rows(Path(task.validation)).head(VALIDATION_ROWS).to_dicts())
    run_id, curve = run_identity(task), output / "curve.jsonl"
    step = newest_step(Path(task.checkpoints), run_id)
    progress = Progress(curve, log, run_id)
    trainer = make_trainer(task, model, tokenizer, train, validation, progress, from_start=step == 0)
    trainer.remove_callback(PrinterCallback)
    log(f"training on {rows.height} rows, {stage.steps} steps" + (f", from step {step}" if step else ""))
    started = time.perf_counter()
    checkpoint = f"{task.checkpoints}/checkpoint-{step}" if step else None
    validation_losses = train_to_end(trainer, checkpoint, validate=validation is not None)
    seconds = time.perf_counter() - started
    tokens = trainer.state.num_input_tokens_seen - trainer._initial_num_input_tokens_seen

    save(trainer, tokenizer, task)
    shutil.rmtree(task.checkpoints)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return Trained(
        stage=stage,
        adapter=str(output / "adapter"),
        merged=str(output / "merged"),
        curve=str(curve),
        steps=trainer.state.global_step,
        resumed_from=step,
        rows=rows.height,
        tokens=tokens,
        tokens_per_second=tokens / seconds,
        train_seconds=seconds,
        first_loss=losses[0],
        last_loss=losses[-1],
        validation=validation_losses,
        peak_memory_mb=peak_memory_mb(),
        weights_sha256=weights_sha256(output / "merged"),
    )


def save(trainer: Trainer, tokenizer: Any, task: Train) -> None:
    """Write the adapter, and the weights with the adapter merged in, each with tokenizer and chat template."""
    adapter, merged = Path(task.output) / "adapter", Path(task.output) / "merged"
    model: Any = trainer.model
    settings = model.peft_config["default"]
    settings.base_model_name_or_path = task.adapter_base
    # PEFT keeps a set, whose order is another one in each process; the same training has the same data version.
    settings.target_modules = sorted(settings.target_modules)
    model.save_pretrained(adapter, save_embedding_layers=False)
    (adapter / "README.md").unlink()  # PEFT's form to fill in; the release has a card of its own
    whole = model.merge_and_unload()
    whole.config.use_cache = True
    whole.save_pretrained(merged)
    shutil.copy(Path(task.model) / "generation_config.json", merged / "generation_config.json")
    for folder in (adapter, merged):
        tokenizer.save_pretrained(folder)


def peak_memory_mb() -> float:
    """The peak memory of this process, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)
