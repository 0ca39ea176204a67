"""The base model and the models trained from it, each stage in a process of its own."""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from fineline.assets.execution.inputs import FORCE, made_when_changed
from fineline.assets.execution.models import ModelStage
from fineline.assets.execution.workers import run_worker
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.recipe.training import AnyStage
from fineline.resources.models import exposure as seen
from fineline.resources.models.base.tasks import PrepareBase
from fineline.resources.models.training.methods import method_of
from fineline.resources.models.training.tasks import Train
from fineline.resources.planning.retraining import DECISION, approval
from fineline.resources.project import Project

ML_OWNERS = ["team:machine-learning"]


def model_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """The base model, where anything needs it, and one model for each training stage of the recipe."""
    wanted = any(section is not None for _, section in recipe.datasets)
    return [base_model, *[_trained_model(recipe, stage) for stage in recipe.training.stages]] if wanted else []


def final_model(recipe: Recipe) -> str:
    """The asset of the last trained model. Raises IndexError for a recipe that trains nothing."""
    return recipe.training.stages[-1].model


def model_before(recipe: Recipe, stage: AnyStage) -> str:
    """The model that a stage starts from: that of the stage before it, or the base model."""
    models = ["base_model", *(each.model for each in recipe.training.stages)]
    return models[models.index(stage.model) - 1]


@dg.asset(
    group_name="initialization",
    kinds={"huggingface", "pytorch"},
    owners=ML_OWNERS,
    code_version="1",
    metadata={"recipe parts": ["base_model", "training.dtype"]},
)
@made_when_changed
def base_model(context: dg.AssetExecutionContext, project: Project) -> dg.MaterializeResult[Any]:
    """The model that training starts from: safetensors, config, tokenizer and chat template in one folder.

    Guarantees: it has a tokenizer with a chat template and an end token; its weights' hash is its data version.
    """
    stage = ModelStage(context, project)
    recipe = stage.recipe
    with stage.storage.new_folder(stage.asset) as folder:
        spec = PrepareBase(
            output=str(folder),
            source=recipe.base_model,
            dtype=recipe.training.dtype,
            threads=recipe.training.threads,
        )
        result = run_worker(context, spec)
        inside = Path(result.folder).relative_to(folder)
        return stage.store(folder, {"model": str(inside)}, result)


def _trained_model(recipe: Recipe, training_stage: AnyStage) -> dg.AssetsDefinition:
    name, dataset = training_stage.model, training_stage.dataset.name
    before = model_before(recipe, training_stage)

    @dg.asset(
        name=name,
        group_name="models",
        kinds={"trl", "peft", "pytorch"},
        owners=ML_OWNERS,
        code_version="2",
        pool="training",
        # Without a decision to train, nothing is made, and what would follow is skipped.
        output_required=False,
        deps=[dataset, before, DECISION],
        metadata={"recipe parts": [f"training.stages.{training_stage.name}", "training.dtype"]},
        description=f"{method_of(training_stage).makes}, as adapter and as merged weights.\n\n"
        "Guarantees: the same data, recipe and start give the same weights; an interrupted run goes on from its "
        "last checkpoint.",
    )
    @made_when_changed
    def trained_model(context: dg.AssetExecutionContext, project: Project) -> Iterator[dg.MaterializeResult[Any]]:
        stage = ModelStage(context, project)
        if approval(stage.storage, name) is None and FORCE not in context.run.tags:
            context.log.info(f"{name} is not trained yet: {stage.storage.require(DECISION).facts['sentence']}")
            return
        checkpoints = stage.checkpoints()
        seen.begin(stage.storage, checkpoints, dataset, before)
        has_validation = stage.storage.require(dataset).facts["validation rows"] > 0
        with stage.storage.new_folder(stage.asset) as folder:
            task = Train(
                output=str(folder),
                model=str(stage.model_folder(before)),
                train=str(stage.export(dataset, "train")),
                validation=str(stage.export(dataset, "validation")) if has_validation else None,
                checkpoints=str(checkpoints / "steps"),
                adapter_base=before,
                dtype=stage.recipe.training.dtype,
                stage=stage.recipe.training.stage(training_stage.name),
                threads=stage.recipe.training.threads,
            )
            result = run_worker(context, task)
            parts, curve = {"model": "merged", "adapter": "adapter"}, folder / "curve.jsonl"
            made = stage.store(folder, parts, result, seen=partial(seen.begun, checkpoints), curve=curve)
        shutil.rmtree(checkpoints)
        yield made

    return trained_model
