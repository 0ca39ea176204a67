"""The facts of a model card, and gathering them from stored tables and manifests."""

from __future__ import annotations

from typing import Any

import polars as pl

from fineline.data_contracts import catalog
from fineline.resources.core.presentation.tables import counts_by, first_few
from fineline.resources.core.recipe.base import Section
from fineline.resources.core.recipe.training import AnyStage, Training
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.tables import scan_table


class SourceFacts(Section):
    """A source, and how many of its records reached each step."""

    name: str
    licence: str
    raw: int
    scrubbed: int
    curated: int
    trained: int


class StageFacts(Section):
    """A training stage: its settings, its losses, its cost."""

    name: str
    settings: dict[str, Any]
    rows: int
    first_loss: float
    last_loss: float
    validation_first: float | None = None
    validation_last: float | None = None
    seconds: float


class ScoreFacts(Section):
    """Held-out figures of one model; the loss with its confidence interval."""

    model: str
    loss: float
    low: float
    high: float
    rouge_l: float | None = None
    preference_accuracy: float | None = None


class CheckFacts(Section):
    """An asset check and its finding."""

    name: str
    passed: bool
    finding: str


class CardFacts(Section):
    """Everything that a model card states; ``model`` is the asset that is released."""

    recipe: str
    model: str
    base_model: str
    base_licence: str
    release: str
    sources: list[SourceFacts]
    splits: dict[str, int]
    stages: list[StageFacts]
    scores: list[ScoreFacts]
    confidence: float
    test_rows: int
    reasons: list[str]
    checks: list[CheckFacts]


def card_facts(storage: Storage, recipe: str, checks: list[CheckFacts]) -> CardFacts:
    """The facts of a model card, all of them of what is stored. ``recipe`` is the recipe's name."""
    evaluation, base = (storage.require(each.name) for each in (catalog.EVALUATION, catalog.BASE_MODEL))
    trained = [storage.require(name) for name in evaluation.facts["models"][1:]]
    stages = Training.model_validate({"stages": [each.facts["stage"] for each in trained]}).stages
    rows = [scan_table(storage, stage.dataset.name).filter(pl.col("split") == "train").collect() for stage in stages]
    losses = scan_table(storage, catalog.EVALUATION.name)
    return CardFacts(
        recipe=recipe,
        model=trained[-1].asset,
        base_model=base.facts["name"],
        base_licence=base.facts["licence"],
        release=evaluation.data_version,
        sources=_sources(storage, [table["record_id"] for table in rows]),
        splits=counts_by(scan_table(storage, catalog.SPLITS.name).select("split").collect(), "split"),
        stages=[_stage(*each) for each in zip(trained, stages, [table.height for table in rows], strict=True)],
        scores=_scores(evaluation),
        confidence=evaluation.facts["confidence"],
        test_rows=losses.select(pl.col("record_id").n_unique()).collect().item(),
        reasons=evaluation.facts["reasons"],
        checks=checks,
    )


def _sources(storage: Storage, trained: list[pl.Series]) -> list[SourceFacts]:
    ledger = scan_table(storage, catalog.RECORD_LEDGER.name).select("source", "place").collect()
    curated = scan_table(storage, catalog.CURATED_CORPUS.name).select("record_id", "source", "licence").collect()
    came_in = scan_table(storage, catalog.RAW_CORPUS.name).select("source", "licence").unique().collect()
    early = [f"{asset.name}/" for asset in (catalog.RAW_CORPUS, catalog.SCRUBBED_CORPUS)]
    stopped_early = pl.any_horizontal(pl.col("place").str.starts_with(each) for each in early)
    raw = counts_by(ledger, "source")
    stopped = counts_by(ledger.filter(stopped_early), "source")
    kept = counts_by(curated, "source")
    seen = counts_by(curated.filter(pl.col("record_id").is_in(pl.concat(trained).unique().implode())), "source")
    return [
        SourceFacts(
            name=source,
            licence=_licences(curated.filter(source=source)["licence"])
            or _licences(came_in.filter(source=source)["licence"])
            or "unknown",
            raw=rows,
            scrubbed=rows - stopped.get(source, 0),
            curated=kept.get(source, 0),
            trained=seen.get(source, 0),
        )
        for source, rows in sorted(raw.items())
    ]


def _licences(licences: pl.Series) -> str:
    """The most frequent licences, and how many more there are; empty where there is none."""
    names = licences.value_counts(sort=True)["licence"].to_list()
    return first_few(names)


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
