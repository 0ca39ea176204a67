"""The recipe's section ``training``: a list of stages, each with the settings of its training method."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from fineline.data_contracts import catalog
from fineline.resources.core.recipe.base import Section, Share

StageName = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_]*$", description="The stage makes the model <name>_model; names must differ.")
]
Steps = Annotated[int, Field(ge=1, description="Optimizer steps.")]
BatchSize = Annotated[int, Field(ge=1, description="Rows a step.")]
LearningRate = Annotated[float, Field(gt=0)]


class Lora(Section):
    """Low-rank adapters on all linear layers."""

    rank: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    dropout: Share = 0.0


class TrainingStage(Section):
    """What all training stages share; a step is one optimizer update over ``batch_size`` rows.

    Each subclass holds the settings of one method. Its ``name`` defaults to the method's usual one, and ``dataset`` is
    what the method trains on.
    """

    dataset: ClassVar[catalog.Asset]

    name: StageName
    method: str
    steps: Steps
    batch_size: BatchSize = 8
    learning_rate: LearningRate
    warmup: Share = Field(0.1, description="Share of the steps over which the learning rate rises.")
    maximum_tokens: int = Field(512, ge=16, description="Must cover the rows of the dataset.")
    lora: Lora = Lora()
    seed: int = 0

    @property
    def model(self) -> str:
        """The asset that the stage makes."""
        return catalog.model_of(self.name)


class PretrainingStage(TrainingStage):
    """Continued pretraining on packed plain text."""

    dataset = catalog.PRETRAINING_DATASET

    name: StageName = "pretrained"
    method: Literal["pretraining"]
    steps: Steps = 10
    learning_rate: LearningRate = 2e-4


class SftStage(TrainingStage):
    """Supervised fine-tuning; the loss is on the completion only."""

    dataset = catalog.SFT_DATASET

    name: StageName = "sft"
    method: Literal["sft"]
    steps: Steps = 60
    learning_rate: LearningRate = 5e-4


class DpoStage(TrainingStage):
    """Direct preference optimisation against the model it starts from."""

    dataset = catalog.PREFERENCE_DATASET

    name: StageName = "aligned"
    method: Literal["dpo"]
    steps: Steps = 20
    batch_size: BatchSize = 4
    learning_rate: LearningRate = 5e-5
    beta: float = Field(0.1, gt=0, description="Strength of the tie to the reference model.")


AnyStage = Annotated[PretrainingStage | SftStage | DpoStage, Field(discriminator="method")]


class Training(Section):
    """The stages to train, one after the other, each from the model of the one before."""

    stages: list[AnyStage] = Field([], description="In this order; a method may come twice, under two names.")
    dtype: Literal["bfloat16", "float32"] = Field("bfloat16", description="Of the frozen base weights.")
    threads: int | None = Field(None, ge=1, description="CPU threads; all by default.")

    @field_validator("stages")
    @classmethod
    def each_makes_a_model_of_its_own(cls, stages: list[AnyStage]) -> list[AnyStage]:
        """Two stages must not make the same asset, nor one that is no trained model."""
        names = [stage.name for stage in stages]
        for stage in stages:
            if names.count(stage.name) > 1:
                raise ValueError(f"the name {stage.name!r} is given twice; names must differ")
            if not catalog.is_trained_model(stage.model):
                raise ValueError(f"the name {stage.name!r} would make {stage.model}, which is another asset")
        return stages

    def stage(self, name: str) -> AnyStage:
        """The stage of that name. Raises KeyError for a name that the recipe does not have."""
        return {stage.name: stage for stage in self.stages}[name]
