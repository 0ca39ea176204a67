"""What would be made now, and why: every asset against what it was last made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from fineline.resources.forgetting import CERTIFICATES
from fineline.resources.lineage import PER_BATCH, inputs_now, label, versions_or_missing, why_stale
from fineline.resources.recipe import Recipe
from fineline.resources.retraining import DECISION, STAGE_OF, approval
from fineline.resources.storage import Storage


@dataclass(frozen=True)
class Node:
    """An asset as the planner sees it."""

    name: str
    upstream: tuple[str, ...]
    code_version: str


@dataclass(frozen=True)
class Task:
    """An asset (or a batch of one), and why it is to be made; ``reason`` is None when it is not.

    Then it is up to date, or ``waits`` says what it is not made for.
    """

    asset: str
    batch: str | None
    reason: str | None
    missing: bool
    waits: str | None = None

    @property
    def label(self) -> str:
        """How it is called in messages."""
        return label(self.asset, self.batch)


def nodes(definitions: dg.Definitions) -> list[Node]:
    """The assets of the definitions, each after all that it is made from, but for those that requests make."""
    graph = definitions.resolve_asset_graph()
    return [
        Node(
            key.to_user_string(),
            tuple(sorted(parent.to_user_string() for parent in graph.get(key).parent_keys)),
            str(graph.get(key).code_version),
        )
        for key in graph.toposorted_asset_keys
        if key.to_user_string() != CERTIFICATES
    ]


def plan(graph: Sequence[Node], storage: Storage, arrived: Mapping[str, str], recipe: Recipe) -> list[Task]:
    """One task for each asset and batch, in order. ``arrived`` maps the batches to their fingerprints."""
    tasks = []
    waiting: dict[str, str] = {}
    for node in graph:
        for batch in sorted(arrived) if node.name in PER_BATCH else [None]:
            manifest = storage.manifest(node.name, batch)
            if manifest is None and (waits := _waits_for(node, storage, waiting)):
                waiting[node.name] = waits
                tasks.append(Task(node.name, batch, None, True, waits))
                continue
            if node.name == "raw_corpus" and batch is not None:
                inputs = {"arrival": arrived[batch]}
            else:
                inputs = inputs_now(
                    storage, recipe, node.name, node.upstream, batch, list(arrived), versions_or_missing
                )
            reason = why_stale(node.name, manifest, node.code_version, inputs)
            tasks.append(Task(node.name, batch, reason, manifest is None))
    return tasks


def _waits_for(node: Node, storage: Storage, waiting: Mapping[str, str]) -> str | None:
    """What a missing asset waits for: a decision to train the model, or a model that waits for one."""
    if node.name in STAGE_OF and approval(storage, node.name) is None:
        decision = storage.manifest(DECISION)
        return f"{DECISION}: {decision.facts['sentence'] if decision else 'not made yet'}"
    return next((waiting[name] for name in node.upstream if name in waiting), None)


def next_wave(graph: Sequence[Node], tasks: Sequence[Task]) -> list[Task]:
    """The tasks to run now, in one run.

    Those that are stale with nothing stale above them, and whatever below them was never made: that must run
    in any case. Assets that exist wait until it is known whether their inputs really changed.
    """
    upstream = {node.name: node.upstream for node in graph}
    stale = [task for task in tasks if task.reason]
    stale_batches: dict[str, set[str | None]] = {}
    for task in stale:
        stale_batches.setdefault(task.asset, set()).add(task.batch)
    ancestors: dict[str, set[str]] = {}
    wave: dict[str, list[Task]] = {}
    batches: set[str | None] | None = None
    for name in upstream:
        ancestors[name] = set(upstream[name]).union(*(ancestors[parent] for parent in upstream[name]))
        if name not in stale_batches:
            continue
        above = ancestors[name] & stale_batches.keys()
        mine = [task for task in stale if task.asset == name]
        if not above <= wave.keys() or (above and not all(task.missing for task in mine)):
            continue
        if name in PER_BATCH:
            # One run has one set of batches.
            if batches is not None and stale_batches[name] != batches:
                continue
            batches = stale_batches[name]
        wave[name] = mine
    return [task for group in wave.values() for task in group]
