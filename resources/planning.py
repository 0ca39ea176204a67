"""What would be made now, and why: every asset against what it was last made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

from fineline.resources.lineage import FOLLOWS_MODELS, PER_BATCH, inputs_now, label, versions_or_missing, why_stale
from fineline.resources.recipe import Recipe, digest
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

    Then it is up to date, or ``waits`` says what it is not made for. ``state`` is a digest of all that it would
    be made from: another state, another result.
    """

    asset: str
    batch: str | None
    reason: str | None
    missing: bool
    state: str = ""
    waits: str | None = None

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
            if manifest is None and (waits := _waits_for(node, storage, waiting)):
                waiting[node.name] = waits
                tasks.append(Task(node.name, batch, None, True, waits=waits))
                continue
            if node.name == "raw_corpus" and batch is not None:
                inputs = {"arrival": arrived[batch]}
            else:
                inputs = inputs_now(storage, recipe, node.name, node.upstream, batch, batches, versions)
            reason = why_stale(node.name, manifest, node.code_version, inputs)
            state = digest(node.code_version, inputs)
            tasks.append(Task(node.name, batch, reason, manifest is None, state))
    return tasks


def _waits_for(node: Node, storage: Storage, waiting: Mapping[str, str]) -> str | None:
    """What a missing asset waits for: a decision to train the model, or a model that waits for one."""
    if node.name in STAGE_OF and approval(storage, node.name) is None:
        decision = storage.manifest(DECISION)
        return f"{DECISION}: {decision.facts['sentence'] if decision else 'not made yet'}"
    return next((waiting[name] for name in node.upstream if name in waiting), None)


def ready(graph: Sequence[Node], tasks: Sequence[Task]) -> dict[str, dict[str | None, str]]:
    """What may be made now, by asset and batch, each with a digest of the state that it would be made from.

    A batch's tables come together, and so do the tables of all batches, once every batch is at rest: those
    below a stale one are in it too, for the run that makes it will know whether they change. Models, and what
    is known of them, come when all tables are at rest.
    """
    upstream = {node.name: node.upstream for node in graph}
    ancestors: dict[str, set[str]] = {}
    states: dict[str, dict[str | None, str]] = {}
    for task in tasks:
        if task.reason:
            states.setdefault(task.asset, {})[task.batch] = task.state
    found: dict[str, dict[str | None, str]] = {}
    for name in upstream:
        ancestors[name] = set(upstream[name]).union(*(ancestors[parent] for parent in upstream[name]))
        above = ancestors[name] & states.keys()
        together = {each for each in above if _comes_with(name, each)}
        if above != together:
            continue
        for task in tasks:
            causes = [
                states[each][task.batch] for each in sorted({name, *together}) if task.batch in states.get(each, {})
            ]
            if task.asset == name and causes and not task.waits:
                found.setdefault(name, {})[task.batch] = digest(*causes)
    return found


def _comes_with(asset: str, other: str) -> bool:
    """Whether two assets are made in one run: both of a batch, both models, or neither."""
    return (asset in PER_BATCH, asset in FOLLOWS_MODELS) == (other in PER_BATCH, other in FOLLOWS_MODELS)
