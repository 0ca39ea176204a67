"""The recipe: the YAML file that says what to build, read and checked."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator

from fineline.resources.core.recipe.curation import Balance, Decontaminate, Labels, Quality
from fineline.resources.core.recipe.models import (
    STAGES,
    BaseModelSource,
    Evaluation,
    FolderModel,
    PackagedModel,
    Promotion,
    Retrain,
    Training,
)
from fineline.resources.core.recipe.operations import Alerts, Automation, Freshness, Retention
from fineline.resources.core.recipe.sources import (
    Datasets,
    Deduplicate,
    Files,
    HuggingFace,
    Scrub,
    Section,
    Share,
    Source,
    Split,
)

RECIPES = Path(__file__).resolve().parents[3] / "jobs" / "recipes"
DEFAULT_RECIPE = RECIPES / "quickstart.yaml"


class RecipeError(Exception):
    """A recipe that cannot be used; the message says which key and what was expected."""


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
        """Each training stage has its data set, and each name is used once."""
        names = [source.name for source in self.sources]
        sets = [source.name for source in self.decontaminate.against]
        for name in [*names, *sets]:
            if [*names, *sets].count(name) > 1:
                raise ValueError(f"sources: the name {name!r} is given twice; names must differ")
        for stage, (_, made_of) in STAGES.items():
            dataset = made_of.removesuffix("_dataset")
            training, rows = getattr(self.training, stage), getattr(self.datasets, dataset)
            if training is None:
                continue
            if rows is None:
                raise ValueError(f"training.{stage} needs datasets.{dataset}; add it or remove the stage")
            if rows.maximum_tokens > training.maximum_tokens:
                raise ValueError(
                    f"training.{stage}.maximum_tokens ({training.maximum_tokens}) is below "
                    f"datasets.{dataset}.maximum_tokens ({rows.maximum_tokens}): answers would be cut"
                )
        trains = any([self.training.pretraining, self.training.sft, self.training.dpo])
        if trains and not (self.datasets.sft or self.datasets.preference):
            raise ValueError("training needs datasets.sft or datasets.preference: their test rows judge the model")
        if self.freshness.release_hours and not trains:
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
        by_name = {source.name: source for source in self.sources}
        return by_name[name]


def digest(*sections: Any) -> str:
    """A short hash of recipe values: equal values, equal digest, whatever the YAML looked like."""
    plain = [s.model_dump(mode="json") if isinstance(s, Section) else s for s in sections]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]


def recipe_path(value: str | None = None) -> Path:
    """The recipe's file: the argument, else FINELINE_RECIPE, else quickstart. A bare name is a shipped one."""
    given = value or os.environ.get("FINELINE_RECIPE") or str(DEFAULT_RECIPE)
    path = Path(given)
    if not path.exists() and (RECIPES / f"{given}.yaml").exists():
        path = RECIPES / f"{given}.yaml"
    return path


def storage_root(path: Path) -> Path:
    """Where the tables and models of a recipe lie: under FINELINE_HOME (default ``.fineline``), by its name.

    Each recipe has a folder of its own, so that two recipes never overwrite each other.

    Raises:
        RecipeError: the recipe is missing or does not fit.
    """
    home = Path(os.environ.get("FINELINE_HOME", ".fineline")).expanduser().resolve()
    return home / load_recipe(path).name


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe file.

    Raises:
        RecipeError: the file is missing, is not YAML, or does not fit; each wrong key is named with its path.
    """
    if not path.is_file():
        shipped = ", ".join(sorted(p.stem for p in RECIPES.glob("*.yaml")))
        raise RecipeError(f"recipe not found: {path}. Give a path, or one of the shipped ones: {shipped}.")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise RecipeError(f"{path} is not valid YAML: {error}") from error
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        raise RecipeError(f"{path} does not fit:\n" + "\n".join(_explain(error))) from error
    return _with_absolute_paths(recipe, path.resolve().parent)


def _explain(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"]) or "recipe"
        if problem["type"] == "extra_forbidden":
            lines.append(f"  {key}: unknown key; look for a typing mistake, or remove it")
        else:
            lines.append(f"  {key}: {problem['msg'].removeprefix('Value error, ')}")
    return lines


def _with_absolute_paths(recipe: Recipe, folder: Path) -> Recipe:
    """Paths in a recipe start at its folder; environment variables in them are filled in."""

    def absolute(path: Path) -> Path:
        return (folder / os.path.expanduser(os.path.expandvars(path))).resolve()

    def place(location: Path | str | None) -> Path | str | None:
        return os.path.expandvars(location) if isinstance(location, str) else location and absolute(location)

    def anchored(source: Source) -> Source:
        if isinstance(source, Files):
            join = source.join and source.join.model_copy(update={"path": place(source.join.path)})
            places = {"path": place(source.path), "services": place(source.services), "join": join}
            return source.model_copy(update=places)
        if isinstance(source, HuggingFace) and absolute(Path(source.id)).is_dir():
            return source.model_copy(update={"id": str(absolute(Path(source.id)))})
        return source

    sources = [anchored(source) for source in recipe.sources]
    against = [anchored(source) for source in recipe.decontaminate.against]
    decontaminate = recipe.decontaminate.model_copy(update={"against": against})
    base = recipe.base_model
    if isinstance(base, FolderModel):
        base = base.model_copy(update={"path": absolute(base.path)})
    return recipe.model_copy(update={"sources": sources, "decontaminate": decontaminate, "base_model": base})


def json_schema() -> dict[str, Any]:
    """The recipe's JSON schema, for editors that complete and check YAML."""
    return Recipe.model_json_schema()
