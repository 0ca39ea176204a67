"""What would be made now, and why: every asset against what it was last made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from fineline.data_contracts import catalog
from fineline.resources.core.recipe.base import digest
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.store import Manifest, Storage
from fineline.resources.planning.inputs import (
    PER_BATCH,
    inputs_now,
    label,
    versions_or_missing,
    why_stale,
)
from fineline.resources.planning.retraining import DECISION, approval


@dataclass(frozen=True)
class Node:
    """An asset as the planner sees it."""

    name: str
    upstream: tuple[str, ...]
    code_version: str


@dataclass(frozen=True)
class Task:
    """An asset (or a batch of one), and why it is to be made; ``reason`` is None when it is not.

    Then it is up to date, or ``waits`` says what it is not made for. ``inputs`` is what it would be made from;
    ``failed`` that it was made from just that, and failed a check.
    """

    asset: str
    batch: str | None
    reason: str | None
    missing: bool
    inputs: Mapping[str, str] = field(default_factory=dict)
    waits: str | None = None
    failed: bool = False

    @property
    def label(self) -> str:
        """How it is called in messages."""
        return label(self.asset, self.batch)


def plan(graph: Sequence[Node], storage: Storage, arrived: Mapping[str, str], recipe: Recipe) -> list[Task]:
    """One task for each asset and batch, in order. ``arrived`` maps the batches to their fingerprints."""
    tasks = []
    waiting: dict[str, str] = {}
    # Each manifest is read once: of a thousand batches, five merged assets would read each ten times.
    stored, batches = cache(storage.manifest), sorted(arrived)
    versions = partial(versions_or_missing, stored)
    for node in graph:
        for batch in batches if node.name in PER_BATCH else [None]:
            manifest = stored(node.name, batch)
            waits = _unapproved(node, storage)
            if manifest is None and (waits := waits or _waits_for(node, waiting, batches)):
                waiting[node.name] = waits
            if waits:
                tasks.append(Task(node.name, batch, None, manifest is None, waits=waits))
                continue
            if node.name == "raw_corpus" and batch is not None:
                inputs = {"arrival": arrived[batch]}
            else:
                inputs = inputs_now(storage, recipe, node.name, node.upstream, batch, batches, versions)
            reason = why_stale(node.name, manifest, node.code_version, inputs)
            failed = manifest is not None and _failed_with(manifest, node.code_version, inputs)
            tasks.append(Task(node.name, batch, reason, manifest is None, inputs, failed=failed))
    return tasks


def _failed_with(manifest: Manifest, code_version: str, inputs: Mapping[str, str]) -> bool:
    """Whether an asset failed a check when it was made by this code from these inputs."""
    return bool(manifest.failed_checks) and manifest.code_version == code_version and manifest.inputs == inputs


def _unapproved(node: Node, storage: Storage) -> str | None:
    """The decision that a trained model waits for, if there is none to train it."""
    if not catalog.is_trained_model(node.name) or approval(storage, node.name) is not None:
        return None
    decision = storage.manifest(DECISION)
    return f"{DECISION}: {decision.facts['sentence'] if decision else 'not made yet'}"


def _waits_for(node: Node, waiting: Mapping[str, str], batches: Sequence[str]) -> str | None:
    """What a missing asset waits for: a first batch, or what its inputs wait for."""
    if not batches and not PER_BATCH.isdisjoint(node.upstream):
        return "a first batch"
    return next((waiting[name] for name in node.upstream if name in waiting), None)


def ready(graph: Sequence[Node], tasks: Sequence[Task]) -> dict[str, dict[str | None, str]]:
    """What may be made now, by asset and batch, each with a digest of what the assets made with it begin from.

    A batch's tables come together, and so do the tables of all batches, once every batch is at rest: those
    below a stale one are in it too, for the run that makes it will know whether they change. Models, and what
    is known of them, come when all tables are at rest. What failed a check would fail it again: until it would be
    made from something else, it is left, and so is what would be made with it.
    """
    upstream = {node.name: node.upstream for node in graph}
    stale: dict[str, set[str | None]] = {}
    for task in tasks:
        if task.reason:
            stale.setdefault(task.asset, set()).add(task.batch)
    begins = _beginnings(graph, tasks)
    ancestors: dict[str, set[str]] = {}
    found: dict[str, dict[str | None, str]] = {}
    resting: set[tuple[str, str | None]] = set()
    for name in upstream:
        ancestors[name] = set(upstream[name]).union(*(ancestors[parent] for parent in upstream[name]))
        above = ancestors[name] & stale.keys()
        if any(together(each) != together(name) for each in above):
            continue
        batches = stale.get(name, set()).union(*(stale[each] for each in above))
        for task in tasks:
            if task.asset != name or task.batch not in batches or task.waits:
                continue
            changing = any(task.batch in stale[each] for each in above)
            if (task.failed and not changing) or any((each, task.batch) in resting for each in above):
                resting.add((name, task.batch))
            else:
                found.setdefault(name, {})[task.batch] = begins[together(name), task.batch]
    return found


def together(asset: str) -> str:
    """The assets that one run makes: those of a batch, those of all batches, and models with what follows them."""
    if asset in PER_BATCH:
        return "batch"
    return "models" if catalog.follows_models(asset) else "tables"


def _beginnings(graph: Sequence[Node], tasks: Sequence[Task]) -> dict[tuple[str, str | None], str]:
    """What each run would begin from: code versions, inputs that are not made in it, and what is there of it.

    By the last, what a run left undone when it failed at something else is known for another state.
    """
    code = {node.name: node.code_version for node in graph}
    parts: dict[tuple[str, str | None], list[Any]] = {}
    for task in tasks:
        group = together(task.asset)
        made_with_it = {name for name in code if together(name) == group}
        outside = {name: at for name, at in task.inputs.items() if name.partition("[")[0] not in made_with_it}
        parts.setdefault((group, task.batch), []).append([task.asset, code[task.asset], outside, task.missing])
    return {key: digest(*part) for key, part in parts.items()}
