"""The facts of a model card, and gathering them from stored tables and manifests."""

from __future__ import annotations

from typing import Any

import polars as pl

from fineline.data_contracts import catalog
from fineline.resources.core.presentation.tables import counts_by, first_few
from fineline.resources.core.recipe.base import Section
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.tables import scan_table
from fineline.resources.models import exposure


class SourceFacts(Section):
    """A source, and how many of its records reached each step."""

    source: str
    licence: str
    raw: int
    scrubbed: int
    curated: int
    trained: int


class CheckFacts(Section):
    """An asset check and its finding."""

    name: str
    passed: bool
    finding: str


class CardFacts(Section):
    """Everything that a model card states.

    ``model`` is the asset that is released. ``stages`` has what training stored of each stage, ``losses`` each model's
    mean held-out loss (nats a token) with the ends of its confidence interval, and ``scores`` its other figures.
    """

    recipe: str
    model: str
    base_model: str
    base_licence: str
    release: str
    sources: list[SourceFacts]
    splits: dict[str, int]
    stages: list[dict[str, Any]]
    losses: dict[str, tuple[float, float, float]]
    scores: dict[str, dict[str, float | None]]
    confidence: float
    test_rows: int
    reasons: list[str]
    checks: list[CheckFacts]


def card_facts(storage: Storage, recipe: str, checks: list[CheckFacts]) -> CardFacts:
    """The facts of a model card, all of them of what is stored. ``recipe`` is the recipe's name."""
    evaluation, base = (storage.require(each.name) for each in (catalog.EVALUATION, catalog.BASE_MODEL))
    measured = evaluation.facts
    model = measured["models"][-1]
    losses = scan_table(storage, catalog.EVALUATION.name)
    return CardFacts(
        recipe=recipe,
        model=model,
        base_model=base.facts["name"],
        base_licence=base.facts["licence"],
        release=evaluation.data_version,
        sources=_sources(storage, exposure.read(storage, model).filter(split="train")["record_id"].unique()),
        splits=counts_by(scan_table(storage, catalog.SPLITS.name).select("split").collect(), "split"),
        stages=[dict(storage.require(name).facts) for name in measured["models"][1:]],
        losses=measured["held-out loss"],
        scores=measured["scores"],
        confidence=measured["confidence"],
        test_rows=losses.select(pl.col("record_id").n_unique()).collect().item(),
        reasons=measured["reasons"],
        checks=checks,
    )


def _sources(storage: Storage, trained_on: pl.Series) -> list[SourceFacts]:
    ledger, curated, raw = (
        scan_table(storage, each.name) for each in (catalog.RECORD_LEDGER, catalog.CURATED_CORPUS, catalog.RAW_CORPUS)
    )
    early = [f"{asset.name}/" for asset in (catalog.RAW_CORPUS, catalog.SCRUBBED_CORPUS)]
    stopped_early = pl.any_horizontal(pl.col("place").str.starts_with(each) for each in early)
    was_trained_on = pl.col("record_id").is_in(trained_on.implode())
    read = ledger.group_by("source").agg(raw=pl.len(), scrubbed=(~stopped_early).sum())
    kept = curated.group_by("source").agg(curated=pl.len(), trained=was_trained_on.sum())
    counts = read.join(kept, on="source", how="left").fill_null(0).sort("source").collect()
    licences = _licences(raw) | _licences(curated)
    return [SourceFacts(licence=licences.get(row["source"], "unknown"), **row) for row in counts.iter_rows(named=True)]


def _licences(rows: pl.LazyFrame) -> dict[str, str]:
    """The licences of each source, the most frequent first, and how many more there are."""
    counts = rows.group_by("source", "licence").len().sort("len", "licence", descending=[True, False]).collect()
    by_source = counts.group_by("source", maintain_order=True).agg("licence")
    return {source: first_few(names) for source, names in by_source.iter_rows()}
