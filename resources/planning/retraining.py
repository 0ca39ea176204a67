"""The decision whether to train models again: what changed, what the recipe asks for, and how far that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from fineline.data_contracts import catalog
from fineline.resources.core.presentation.tables import first_few
from fineline.resources.core.recipe.base import digest
from fineline.resources.core.recipe.models import Retrain
from fineline.resources.core.recipe.training import AnyStage, Training
from fineline.resources.core.storage.manifest import changed_inputs
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.tables import scan_table
from fineline.resources.models import exposure

WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Reason:
    """One question of the decision: what was found, what the recipe asks for, and whether that is met."""

    question: str
    found: str
    asked: str
    met: bool


@dataclass(frozen=True)
class RetrainDecision:
    """Whether to train, and from what.

    ``approved`` has a digest for each stage: of what its model is to be trained from now, or of an earlier decision.
    ``parts`` are the versions behind the digests, and ``decided`` the times of the decisions to train.
    """

    train: bool
    reasons: Sequence[Reason]
    approved: Mapping[str, str]
    parts: Mapping[str, Mapping[str, str]]
    decided: Sequence[datetime]
    figures: Mapping[str, float]

    @property
    def version(self) -> str:
        """The data version, which changes only when models are to be trained from something else."""
        return digest(dict(self.approved))

    @property
    def sentence(self) -> str:
        """The decision and its reasons, for a log or a terminal."""
        decisive = [each for each in self.reasons if each.met == self.train]
        verb = "train" if self.train else "wait"
        return f"{verb}: " + "; ".join(f"{each.question}: {each.found} ({each.asked})" for each in decisive)


def approval(storage: Storage, model: str) -> str | None:
    """The digest of what the stored decision lets a model be trained from; None where it does not."""
    manifest = storage.manifest(catalog.RETRAIN_DECISION.name)
    return None if manifest is None else manifest.facts["approved"].get(catalog.stage_of(model))


def decide_retraining(storage: Storage, retrain: Retrain, training: Training, now: datetime) -> RetrainDecision:
    """Whether to train now.

    The datasets that the recipe trains on must be stored. Times after ``now``, as after a clock was set back, count as
    now, so that a wait never grows.
    """
    before = storage.manifest(catalog.RETRAIN_DECISION.name)
    facts: Mapping[str, Any] = before.facts if before is not None else {}
    known: Mapping[str, Mapping[str, str]] = facts.get("parts", {})
    decided = [min(datetime.fromisoformat(time), now) for time in facts.get("decided", [])]
    recent = [time for time in decided if now - time < WEEK]
    parts = {stage.name: _parts(storage, training, stage) for stage in training.stages}
    causes, figures = _causes(storage, retrain, training, known, parts)
    limits = _limits(retrain, decided, recent, now)
    train = any(cause.met for cause in causes[1:]) and all(limit.met for limit in limits)
    # Stages that the recipe leaves out for now keep their approval: their models are stored and may be asked for.
    standing = {stage: digest(each) for stage, each in known.items()}
    return RetrainDecision(
        train=train,
        reasons=[*causes, *limits],
        approved=standing | {name: digest(each) for name, each in parts.items()} if train else standing,
        parts={**known, **parts} if train else known,
        decided=[*recent, now] if train else decided[-max(len(recent), 1) :],
        figures=figures,
    )


def _causes(
    storage: Storage,
    retrain: Retrain,
    training: Training,
    known: Mapping[str, Mapping[str, str]],
    parts: Mapping[str, Mapping[str, str]],
) -> tuple[list[Reason], Mapping[str, float]]:
    """The reasons to train, and their figures. The first reason alone, a changed dataset, is not enough."""
    changed = {name: changed_inputs(known.get(name, {}), each) for name, each in parts.items()}
    every = {name for names in changed.values() for name in names}
    datasets = sorted(every & {dataset.name for dataset in catalog.DATASETS})
    settings = sorted(every - set(datasets)) if known else []
    # Until a training that was decided on has run, its model is still the earlier one, and the rows that this one has
    # not seen are part of that decision.
    due = [
        stage.name
        for stage in training.stages
        if stage.name in known and not _is_trained(storage, stage, known[stage.name])
    ]
    idle = [stage for stage in training.stages if changed[stage.name] and stage.name not in due]
    counts: dict[str, tuple[int, int]] = {}
    for stage in idle:
        dataset = stage.dataset.name
        if dataset in datasets:
            # A row counts once, also where several stages are trained on its dataset.
            counts[dataset] = max(counts.get(dataset, (0, 0)), _changed_rows(storage, stage), key=sum)
    new, gone = sum(each for each, _ in counts.values()), sum(each for _, each in counts.values())
    forgotten = max((exposure.forgotten_records(storage, stage.model) for stage in idle), default=0)
    waiting = f"; {first_few(due)}: decided on, not trained yet" if due else ""
    enough = bool(counts) and new + gone >= retrain.minimum_new_records
    reasons = [
        Reason("training sets", _changes(datasets), "a change", bool(datasets)),
        Reason("training rows", f"{new} new, {gone} removed{waiting}", f"≥ {retrain.minimum_new_records}", enough),
        Reason("settings, base model", _changes(settings), "a change", bool(settings)),
        Reason("forgotten, but seen", f"{forgotten} records", "any", forgotten > 0),
    ]
    figures = {"new training rows": new, "removed training rows": gone, "forgotten records seen": forgotten}
    return reasons, figures


def _limits(retrain: Retrain, decided: Sequence[datetime], recent: Sequence[datetime], now: datetime) -> list[Reason]:
    """The reasons to wait: the time since the last decision to train, and the number of them in a week."""
    hours = (now - decided[-1]).total_seconds() / 3600 if decided else None
    since = "none yet" if hours is None else f"{hours:.1f} h"
    cooled = hours is None or hours >= retrain.cooldown_hours
    within = retrain.maximum_per_week is None or len(recent) < retrain.maximum_per_week
    return [
        Reason("since the last time", since, f"≥ {retrain.cooldown_hours:g} h", cooled),
        Reason("in seven days", f"{len(recent)} trainings", f"< {retrain.maximum_per_week or '∞'}", within),
    ]


def _changes(names: Sequence[str]) -> str:
    return ", ".join(names) + " changed" if names else "unchanged"


def _parts(storage: Storage, training: Training, stage: AnyStage) -> dict[str, str]:
    """Names and versions of everything that a stage's model depends on, except the model before it."""
    versions = {name: storage.require(name).data_version for name in (stage.dataset.name, catalog.BASE_MODEL.name)}
    return {**versions, f"training.stages.{stage.name}": digest(stage, training.dtype)}


def _is_trained(storage: Storage, stage: AnyStage, approved: Mapping[str, str]) -> bool:
    """Whether the stage's stored model is the one that was decided on."""
    manifest = storage.manifest(stage.model)
    return manifest is not None and manifest.inputs.get(catalog.APPROVAL) == digest(approved)


def _changed_rows(storage: Storage, stage: AnyStage) -> tuple[int, int]:
    """How many training rows the stage's model has not seen, and how many it has seen that are no longer there."""
    dataset, train = stage.dataset.name, pl.col("split") == "train"
    stored = scan_table(storage, dataset, verified=True)
    now = stored.filter(train).select("record_id").collect()
    seen = exposure.read(storage, stage.model).filter(train & (pl.col("dataset") == dataset) & ~pl.col("forgotten"))
    return now.join(seen, on="record_id", how="anti").height, seen.join(now, on="record_id", how="anti").height
