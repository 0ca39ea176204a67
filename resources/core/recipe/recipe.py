"""The recipe as a whole: its sections in the order of the graph, and how they must fit together."""

from __future__ import annotations

from pydantic import Field, model_validator

from fineline.resources.core.recipe.base import Section, Share
from fineline.resources.core.recipe.curation import Balance, Decontaminate, Deduplicate, Labels, Quality, Split
from fineline.resources.core.recipe.datasets import Datasets
from fineline.resources.core.recipe.models import (
    BaseModelSource,
    Evaluation,
    PackagedModel,
    Promotion,
    Retrain,
)
from fineline.resources.core.recipe.operations import Alerts, Automation, Freshness, Retention
from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.core.recipe.sources import Source
from fineline.resources.core.recipe.training import Training


class Recipe(Section):
    """What to build, in the order of the graph."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", description="Names the folder of what is built.")
    maximum_quarantine: Share = Field(
        0.02, description="Share of a table's rows that may break its contract before the run stops."
    )
    allowed_licences: list[str] | None = Field(
        None, min_length=1, description="Records of other licences go to quarantine; null allows all."
    )
    sources: list[Source] = Field(min_length=1)
    scrub: Scrub = Scrub()
    deduplicate: Deduplicate = Deduplicate()
    quality: Quality = Quality()
    labels: Labels = Labels()
    decontaminate: Decontaminate = Decontaminate()
    split: Split = Split()
    balance: Balance = Balance()
    datasets: Datasets = Datasets()
    base_model: BaseModelSource = PackagedModel(kind="package")
    training: Training = Training()
    retrain: Retrain = Retrain()
    evaluation: Evaluation = Evaluation()
    promotion: Promotion = Promotion()
    automation: Automation = Automation()
    freshness: Freshness = Freshness()
    alerts: Alerts = Alerts()
    retention: Retention = Retention()

    @model_validator(mode="after")
    def parts_fit_together(self) -> Recipe:
        """Each training stage has its dataset, and each name is used once."""
        names = [source.name for source in self.sources]
        sets = [source.name for source in self.decontaminate.against]
        for name in [*names, *sets]:
            if [*names, *sets].count(name) > 1:
                raise ValueError(f"sources: the name {name!r} is given twice; names must differ")
        for place, stage in enumerate(self.training.stages):
            key, dataset = f"training.stages.{place}", stage.dataset.name.removesuffix("_dataset")
            rows = getattr(self.datasets, dataset)
            if rows is None:
                raise ValueError(f"{key} ({stage.name}) needs datasets.{dataset}; add it or remove the stage")
            if rows.maximum_tokens > stage.maximum_tokens:
                raise ValueError(
                    f"{key}.maximum_tokens ({stage.maximum_tokens}) is below "
                    f"datasets.{dataset}.maximum_tokens ({rows.maximum_tokens}): answers would be cut"
                )
        if self.training.stages and not (self.datasets.sft or self.datasets.preference):
            raise ValueError("training needs datasets.sft or datasets.preference: their test rows judge the model")
        if self.freshness.release_hours and not self.training.stages:
            raise ValueError("freshness.release_hours needs a training stage: without one there is no release")
        named = {
            "datasets.sft.sources": (self.datasets.sft and self.datasets.sft.sources) or [],
            "labels.sources": self.labels.sources or [],
            "balance.weights": list(self.balance.weights),
        }
        for key, given in named.items():
            unknown = sorted(set(given) - set(names))
            if unknown:
                raise ValueError(f"{key}: unknown {unknown}; the sources are {names}")
        return self

    def source(self, name: str) -> Source:
        """The source of that name. Raises KeyError for a name that the recipe does not have."""
        return {source.name: source for source in self.sources}[name]
