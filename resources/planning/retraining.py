"""Whether models should be trained again now: what changed, what the recipe asks for, and how far that is."""

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
from fineline.resources.core.storage.integrity import whole_file
from fineline.resources.core.storage.store import Storage, changed_inputs
from fineline.resources.models import exposure as seen

DECISION = catalog.RETRAIN_DECISION.name
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Reason:
    """One question of the decision: what was found, what the recipe asks for, and whether that is met."""

    question: str
    found: str
    asked: str
    met: bool


@dataclass(frozen=True)
class Decision:
    """``approved`` is what models are to be trained from: a digest for each stage, or of an earlier decision.

    ``parts`` are the versions that ``approved`` was made of, ``decided`` the times of the decisions to train.
    """

    train: bool
    reasons: Sequence[Reason]
    approved: Mapping[str, str]
    parts: Mapping[str, Mapping[str, str]]
    decided: Sequence[datetime]
    figures: Mapping[str, float]

    @property
    def version(self) -> str:
        """Stays the same for as long as nothing else is to be trained."""
        return digest(dict(self.approved))

    @property
    def sentence(self) -> str:
        """The decision and what it rests on, for a log or a terminal."""
        told = [each for each in self.reasons if each.met == self.train]
        verb = "train" if self.train else "wait"
        return f"{verb}: " + "; ".join(f"{each.question}: {each.found} ({each.asked})" for each in told)


def approval(storage: Storage, model: str) -> str | None:
    """What the stored decision lets a model be trained from; None where it does not."""
    manifest = storage.manifest(DECISION)
    return None if manifest is None else manifest.facts["approved"].get(catalog.stage_of(model))


def decide(storage: Storage, retrain: Retrain, training: Training, now: datetime) -> Decision:
    """Whether to train now.

    The data sets that the recipe trains on must be stored. Times that lie ahead of ``now``, as after a clock
    was set back, count as now, so that a wait never grows.
    """
    before = storage.manifest(DECISION)
    facts: Mapping[str, Any] = before.facts if before is not None else {}
    known: Mapping[str, Mapping[str, str]] = facts.get("parts", {})
    decided = [min(datetime.fromisoformat(time), now) for time in facts.get("decided", [])]
    stages = {stage.name: stage for stage in training.stages}
    parts = {name: _parts(storage, training, stage) for name, stage in stages.items()}
    changed = {name: changed_inputs(known.get(name, {}), parts[name]) for name in stages}
    data = sorted({name for names in changed.values() for name in names if name.endswith("_dataset")})
    others = sorted({name for names in changed.values() for name in names} - set(data))
    # Until a training that was decided on has run, its model still is the one before it, and what it has not seen
    # was decided on already.
    due = [name for name in stages if name in known and not _trained(storage, stages[name], known[name])]
    idle = [stage for name, stage in stages.items() if changed[name] and name not in due]
    counts = [_changes(storage, stage) for stage in idle if stage.dataset.name in data]
    new, gone = (sum(each) for each in zip(*counts, strict=True)) if counts else (0, 0)
    forgotten = max((seen.forgotten_seen(storage, stage.model) for stage in idle), default=0)
    enough = bool(counts) and new + gone >= retrain.minimum_new_records
    settings = bool(others) and bool(known)
    recent = [time for time in decided if now - time < WEEK]
    hours = (now - decided[-1]).total_seconds() / 3600 if decided else None
    since = "none yet" if hours is None else f"{hours:.1f} h"
    most = retrain.maximum_per_week or "∞"
    causes = [
        Reason("training sets", _told(data), "a change", bool(data)),
        Reason(
            "training rows",
            f"{new} new, {gone} removed" + (f"; {first_few(due)}: decided on, not trained yet" if due else ""),
            f"≥ {retrain.minimum_new_records}",
            enough,
        ),
        Reason("settings, base model", _told(others if settings else []), "a change", settings),
        Reason("forgotten, but seen", f"{forgotten} records", "any", forgotten > 0),
    ]
    wanted = enough or settings or forgotten > 0
    cooled = hours is None or hours >= retrain.cooldown_hours
    within = retrain.maximum_per_week is None or len(recent) < retrain.maximum_per_week
    limits = [
        Reason("since the last time", since, f"≥ {retrain.cooldown_hours:g} h", cooled),
        Reason("in seven days", f"{len(recent)} trainings", f"< {most}", within),
    ]
    train = wanted and cooled and within
    # Also of stages that the recipe leaves out for now: their models are stored, and may be asked for again.
    standing = {stage: digest(each) for stage, each in known.items()}
    now_approved = standing | {name: digest(parts[name]) for name in stages}
    return Decision(
        train=train,
        reasons=[*causes, *limits],
        approved=now_approved if train else standing,
        parts={**known, **parts} if train else known,
        decided=[*recent, now] if train else decided[-max(len(recent), 1) :],
        figures={"new training rows": new, "removed training rows": gone, "forgotten records seen": forgotten},
    )


def _told(changed: Sequence[str]) -> str:
    return ", ".join(changed) + " changed" if changed else "unchanged"


def _parts(storage: Storage, training: Training, stage: AnyStage) -> dict[str, str]:
    """All that a stage's model depends on, but for the model before it: names and versions."""
    dataset, base = stage.dataset.name, catalog.BASE_MODEL.name
    return {
        dataset: storage.require(dataset).data_version,
        base: storage.require(base).data_version,
        f"training.stages.{stage.name}": digest(stage, training.dtype),
    }


def _trained(storage: Storage, stage: AnyStage, approved: Mapping[str, str]) -> bool:
    """Whether the stage's model is the one that was decided on."""
    manifest = storage.manifest(stage.model)
    return manifest is not None and manifest.inputs.get(catalog.APPROVAL) == digest(approved)


def _changes(storage: Storage, stage: AnyStage) -> tuple[int, int]:
    """Training rows that the stage's model has not seen, and those it has seen that are there no more."""
    model, dataset = stage.model, stage.dataset.name
    train = pl.col("split") == "train"
    stored = pl.scan_parquet(whole_file(storage, storage.require(dataset), "data"))
    now = stored.filter(train).select("record_id").collect()
    then = seen.read(storage, model).filter(train & (pl.col("dataset") == dataset) & ~pl.col("forgotten"))
    return now.join(then, on="record_id", how="anti").height, then.join(now, on="record_id", how="anti").height
