"""The base model and the models trained from it, each stage in a process of its own."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from fineline.assets.execution.definition import MODEL_TEAM, asset
from fineline.assets.execution.folders import FolderRun
from fineline.data_contracts import catalog
from fineline.resources.core.recipe.models import BaseModelSource
from fineline.resources.core.recipe.training import AnyStage
from fineline.resources.models import exposure
from fineline.resources.models.base import version as base
from fineline.resources.models.base.tasks import Dtype, PrepareBase
from fineline.resources.models.training import version as training
from fineline.resources.models.training.tasks import Train
from fineline.resources.planning.retraining import approval


@asset(
    catalog.BASE_MODEL,
    version=base.VERSION,
    kinds={"huggingface", "pytorch"},
    owner=MODEL_TEAM,
    reads={"dtype": "training.dtype", "threads": "training.threads"},
)
def base_model(run: FolderRun, base_model: BaseModelSource, dtype: Dtype, threads: int | None) -> None:
    """The model that training starts from: safetensors, config, tokenizer and chat template in one folder.

    Guarantees: it has a tokenizer with a chat template and an end token; its weights' hash is its data version.
    """
    with run.storage.new_folder(run.name) as output:
        task = PrepareBase(output=str(output), source=base_model, dtype=dtype, threads=threads)
        result = run.work(task)
        run.store(output, {"model": str(Path(result.folder).relative_to(output))}, result)


@asset(
    catalog.TRAINED_MODEL,
    version=training.VERSION,
    kinds={"trl", "peft", "pytorch"},
    owner=MODEL_TEAM,
    pool="training",
    reads={"dtype": "training.dtype", "threads": "training.threads"},
)
def trained_model(run: FolderRun, stage: AnyStage, dtype: Dtype, threads: int | None) -> None:
    """The model after a training stage, as adapter and as merged weights.

    Guarantees: the same data, recipe and start give the same weights; an interrupted run goes on from its last
    checkpoint.
    """
    dataset, before, decision = run.asset.upstream
    if approval(run.storage, run.name) is None and not run.forced:
        run.log.info(f"{run.name} is not trained yet: {run.storage.require(decision).facts['sentence']}")
        return
    checkpoints = run.checkpoints()
    exposure.begin_training(run.storage, checkpoints, dataset, before)
    has_validation = run.storage.require(dataset).facts["validation rows"] > 0
    with run.storage.new_folder(run.name) as output:
        task = Train(
            output=str(output),
            model=str(run.path(before)),
            train=str(run.path(dataset, "train")),
            validation=str(run.path(dataset, "validation")) if has_validation else None,
            checkpoints=str(checkpoints / "steps"),
            adapter_base=before,
            dtype=dtype,
            stage=stage,
            threads=threads,
        )
        result = run.work(task)
        parts, exposed = {"model": "merged", "adapter": "adapter"}, partial(exposure.in_training, checkpoints)
        run.store(output, parts, result, exposed=exposed, curve=output / "curve.jsonl")
    shutil.rmtree(checkpoints)
