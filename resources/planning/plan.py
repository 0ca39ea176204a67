"""What would be made now, and why: every asset against what it was last made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from fineline.data_contracts import catalog
from fineline.data_contracts.catalog import Asset, Partition
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.store import Storage
from fineline.resources.planning.inputs import ARRIVAL, inputs_now, why_stale
from fineline.resources.planning.retraining import approval


@dataclass(frozen=True)
class Node:
    """An asset as the planner sees it: its entry, with the upstream that it has in this graph, and its code version."""

    asset: Asset
    code_version: str

    @property
    def name(self) -> str:
        """The asset's name."""
        return self.asset.name


@dataclass(frozen=True)
class Task:
    """An asset (or a batch of one), and why it is to be made; ``reason`` is None when it is not.

    Then it is up to date, or ``waits`` is what it waits for. ``inputs`` is what it would be made from; ``failed``
    means that it was made from exactly that, and failed a check.
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
        """Its name in messages."""
        return Partition(self.asset, self.batch).label


def plan(graph: Sequence[Node], storage: Storage, arrived: Mapping[str, str], recipe: Recipe) -> list[Task]:
    """One task for each asset and batch, in order. ``arrived`` maps the batches to their fingerprints."""
    tasks = []
    waiting: dict[str, str] = {}
    # Each manifest is read once: with a thousand batches, five merged assets would read each ten times.
    stored, batches = cache(storage.manifest), sorted(arrived)
    for node in graph:
        for batch in batches if node.asset.per_batch else [None]:
            manifest = stored(node.name, batch)
            waits = _undecided(node.asset, storage)
            if manifest is None and (waits := waits or _waits_for(node.asset, waiting, batches)):
                waiting[node.name] = waits
            if waits:
                tasks.append(Task(node.name, batch, None, manifest is None, waits=waits))
                continue
            if node.name == catalog.RAW_CORPUS.name and batch is not None:
                inputs = {ARRIVAL: arrived[batch]}
            else:
                inputs = inputs_now(storage, recipe, node.asset, batch, batches, stored)
            reason = why_stale(node.asset, manifest, node.code_version, inputs)
            failed = (
                manifest is not None
                and bool(manifest.failed_checks)
                and manifest.code_version == node.code_version
                and manifest.inputs == inputs
            )
            tasks.append(Task(node.name, batch, reason, manifest is None, inputs, failed=failed))
    return tasks


def _undecided(asset: Asset, storage: Storage) -> str | None:
    """The decision that a trained model waits for, if there is none to train it."""
    if asset.gate is None or approval(storage, asset.name) is not None:
        return None
    decision = storage.manifest(asset.gate)
    return f"{asset.gate}: {decision.facts['sentence'] if decision else 'not made yet'}"


def _waits_for(asset: Asset, waiting: Mapping[str, str], batches: Sequence[str]) -> str | None:
    """What a missing asset waits for: a first batch, or what its inputs wait for."""
    if not batches and any(catalog.entry(name).per_batch for name in asset.upstream):
        return "a first batch"
    return next((waiting[name] for name in asset.upstream if name in waiting), None)
