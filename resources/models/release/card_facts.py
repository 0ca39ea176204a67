"""Gathers from the stored tables and manifests what a release must say about itself."""

from __future__ import annotations

from typing import Any

import polars as pl

from fineline.resources.core.presentation.tables import counts_by
from fineline.resources.core.recipe.models import FolderModel, HubModel, PackagedModel
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.recipe.training import AnyStage
from fineline.resources.core.storage.store import Manifest, Storage
from fineline.resources.core.storage.tables import scan_table
from fineline.resources.models.release.card import CardFacts, CheckFacts, ScoreFacts, SourceFacts, StageFacts
from fineline.resources.planning.inputs import GOVERNED, label

SHOWN_LICENCES = 4


def card_facts(storage: Storage, recipe: Recipe, checks: list[CheckFacts]) -> CardFacts:
    """The facts of a model card."""
    evaluation = storage.require("evaluation")
    splits = scan_table(storage, "splits").select("split").collect()
    stages = recipe.training.stages
    rows = [scan_table(storage, stage.dataset.name).filter(pl.col("split") == "train").collect() for stage in stages]
    return CardFacts(
        recipe=recipe.name,
        base_model=_base_name(recipe),
        base_licence=recipe.base_model.licence,
        release=evaluation.data_version,
        sources=_sources(storage, recipe, [table["record_id"] for table in rows]),
        splits=counts_by(splits, "split"),
        stages=[
            _stage(storage.require(stage.model), stage, table.height) for stage, table in zip(stages, rows, strict=True)
        ],
        scores=_scores(evaluation),
        confidence=recipe.evaluation.confidence,
        test_rows=scan_table(storage, "evaluation").select(pl.col("record_id").n_unique()).collect().item(),
        reasons=evaluation.facts["reasons"],
        checks=checks,
    )


def lineage(storage: Storage, recipe_text: str) -> dict[str, Any]:
    """Every asset below the release: its data version, code version and inputs, and the recipe's text."""
    found: dict[str, Any] = {}
    for path in sorted((storage.root / "assets").rglob("manifest.json")):
        manifest = Manifest.model_validate_json(path.read_text(encoding="utf-8"))
        if manifest.asset not in {"release", *GOVERNED}:
            fields = {"data_version", "code_version", "inputs", "rows", "rows_in", "dropped", "quarantined"}
            found[label(manifest.asset, manifest.batch)] = manifest.model_dump(include=fields)
    return {"recipe": recipe_text, "assets": found}


def _base_name(recipe: Recipe) -> str:
    match recipe.base_model:
        case PackagedModel(package=package):
            return package
        case HubModel(id=name, revision=revision):
            return name if revision is None else f"{name}@{revision}"
        case FolderModel(path=path):
            return path.name


def _sources(storage: Storage, recipe: Recipe, trained: list[pl.Series]) -> list[SourceFacts]:
    ledger = scan_table(storage, "record_ledger").select("source", "place", "rule").collect()
    curated = scan_table(storage, "curated_corpus").select("record_id", "source", "licence").collect()
    seen = curated.filter(pl.col("record_id").is_in(pl.concat(trained).unique().implode()))
    facts = []
    for source in recipe.sources:
        mine = ledger.filter(pl.col("source") == source.name)
        stopped_early = mine.filter(pl.col("place").str.contains("^(raw|scrubbed)_corpus/")).height
        licences = (
            curated.filter(pl.col("source") == source.name)["licence"].value_counts(sort=True)["licence"].to_list()
        )
        more = f" and {len(licences) - SHOWN_LICENCES} more" if len(licences) > SHOWN_LICENCES else ""
        facts.append(
            SourceFacts(
                name=source.name,
                licence=", ".join(licences[:SHOWN_LICENCES]) + more or source.licence,
                raw=mine.height,
                scrubbed=mine.height - stopped_early,
                curated=curated.filter(pl.col("source") == source.name).height,
                trained=seen.filter(pl.col("source") == source.name).height,
            )
        )
    return facts


def _stage(manifest: Manifest, stage: AnyStage, rows: int) -> StageFacts:
    settings = stage.model_dump(mode="json", exclude={"name"})
    lora = settings.pop("lora")
    validation = manifest.facts["validation"]
    return StageFacts(
        name=stage.name,
        settings={**settings, "lora rank": lora["rank"], "lora alpha": lora["alpha"]},
        rows=rows,
        first_loss=manifest.facts["first_loss"],
        last_loss=manifest.facts["last_loss"],
        validation_first=validation[0]["loss"] if validation else None,
        validation_last=validation[-1]["loss"] if validation else None,
        seconds=manifest.facts["train_seconds"],
    )


def _scores(evaluation: Manifest) -> list[ScoreFacts]:
    scores = evaluation.facts["scores"]
    return [
        ScoreFacts(
            model=model,
            loss=loss,
            low=low,
            high=high,
            rouge_l=scores[model]["rouge_l"],
            preference_accuracy=scores[model]["preference_accuracy"],
        )
        for model, (loss, low, high) in evaluation.facts["held-out loss"].items()
    ]
