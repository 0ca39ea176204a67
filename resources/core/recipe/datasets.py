"""The recipe's section on the datasets that models are trained on."""

from __future__ import annotations

from pydantic import Field

from fineline.data_contracts import catalog
from fineline.resources.core.recipe.base import Section


class Rows(Section):
    """The limits of every dataset."""

    maximum_tokens: int = Field(512, ge=16, description="Longer rows, prompt and answer, are left out, never cut.")
    train_rows: int | None = Field(None, ge=1, description="Take a stable sample of this many train rows.")
    validation_rows: int | None = Field(None, ge=1, description="Take a stable sample of this many validation rows.")
    test_rows: int | None = Field(None, ge=1, description="Take a stable sample of this many test rows.")


class Sft(Rows):
    """Supervised rows: conversations of kind chat."""

    sources: list[str] | None = Field(None, description="Only these sources; all chat sources by default.")


class SampledRejections(Section):
    """Preferences made from chat records: chosen is the record's answer, rejected the base model's sample."""

    train_rows: int = Field(64, ge=1)
    validation_rows: int = Field(16, ge=1)
    test_rows: int = Field(16, ge=1)
    new_tokens: int = Field(48, ge=1, description="Tokens that the base model may write.")
    temperature: float = Field(0.8, gt=0)
    seed: int = 0


class Preference(Rows):
    """Preference rows: records of kind preference, and pairs sampled from the base model."""

    sample_rejections: SampledRejections | None = None


class Pretraining(Rows):
    """Rows for continued pretraining: records of kind text."""


class Datasets(Section):
    """The datasets to build. Those that are not named here are not in the graph."""

    sft: Sft | None = None
    preference: Preference | None = None
    pretraining: Pretraining | None = None

    @property
    def names(self) -> list[str]:
        """The assets of the datasets."""
        return [catalog.dataset_of(name) for name, section in self if section is not None]
