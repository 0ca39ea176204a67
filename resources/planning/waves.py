"""What is made together in one run, for the daemon and for the command line.

Both make nothing before what it is made from. They differ in what they do below a stale asset: the daemon asks for it
in the same run, where it is skipped if its inputs turn out to be unchanged; the command line plans again after each
run, and makes an existing asset only once its inputs have changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from fineline.data_contracts import catalog
from fineline.data_contracts.catalog import Partition
from fineline.resources.core.recipe.base import digest
from fineline.resources.planning.plan import Node, Task

Batches = set[str | None]


def next_wave(graph: Sequence[Node], tasks: Sequence[Task], failed: Collection[str] = ()) -> list[Task]:
    """The tasks that the command line runs now, in one run.

    Those are stale with nothing stale above them, or were never made and follow such a task. One run has one set of
    batches: of batches that lack different assets, those that have come furthest go first, so that a batch that cannot
    be read holds no other back. ``failed`` are the labels of tasks that are not tried again.
    """
    stale = _stale_batches(tasks)
    open_tasks = [task for task in tasks if task.reason and task.label not in failed]
    order = list(_with_stale_ancestors(graph, stale))
    wave = _furthest_batches([(node, above) for node, above in order if node.asset.per_batch], stale, open_tasks)
    for node, above in order:
        mine = [task for task in open_tasks if task.asset == node.name]
        if node.asset.per_batch or not mine or (above and not all(task.missing for task in mine)):
            continue
        if all(stale[each] <= {task.batch for task in wave.get(each, [])} for each in above):
            wave[node.name] = mine
    return [task for group in wave.values() for task in group]


def _furthest_batches(
    order: Sequence[tuple[Node, set[str]]], stale: Mapping[str, Batches], tasks: Sequence[Task]
) -> dict[str, list[Task]]:
    """The per-batch tasks of one run, by asset: those of the batches that have come furthest."""
    lacking: dict[str | None, list[Task]] = {}
    for node, above in order:
        for task in (each for each in tasks if each.asset == node.name):
            mine = lacking.setdefault(task.batch, [])
            before = {each for each in above if task.batch in stale[each]}
            if before <= {each.asset for each in mine} and (task.missing or not before):
                mine.append(task)
    runs: dict[tuple[str, ...], list[Task]] = {}
    for mine in lacking.values():
        runs.setdefault(tuple(task.asset for task in mine), []).extend(mine)
    furthest = max(filter(None, runs), key=lambda assets: catalog.position(assets[0]), default=())
    return {asset: [task for task in runs[furthest] if task.asset == asset] for asset in furthest}


def ready(graph: Sequence[Node], tasks: Sequence[Task]) -> dict[str, dict[str | None, str]]:
    """What the daemon may ask for now, by asset and batch, each with a digest of what its run would begin from.

    A batch's tables are made together, and so are the tables of all batches, once no batch is stale. Models and their
    evidence follow when no table is stale. An asset that failed a check is left out, with everything that would be
    made with it, until its inputs or code change: it would fail again.
    """
    stale = _stale_batches(tasks)
    begins = _beginnings(graph, tasks)
    found: dict[str, dict[str | None, str]] = {}
    failing: set[tuple[str, str | None]] = set()
    for node, above in _with_stale_ancestors(graph, stale):
        name = node.name
        if any(together(each) != together(name) for each in above):
            continue
        batches = stale.get(name, set()).union(*(stale[each] for each in above))
        for task in tasks:
            if task.asset != name or task.batch not in batches or task.waits:
                continue
            changing = any(task.batch in stale[each] for each in above)
            if (task.failed and not changing) or any((each, task.batch) in failing for each in above):
                failing.add((name, task.batch))
            else:
                found.setdefault(name, {})[task.batch] = begins[together(name), task.batch]
    return found


def together(asset: str) -> str:
    """The kind of run that makes an asset: ``batch``, ``tables`` of all batches, or ``models`` with their evidence."""
    entry = catalog.entry(asset)
    if entry.per_batch:
        return "batch"
    return "models" if entry.follows_models else "tables"


def _stale_batches(tasks: Sequence[Task]) -> dict[str, Batches]:
    stale: dict[str, Batches] = {}
    for task in tasks:
        if task.reason:
            stale.setdefault(task.asset, set()).add(task.batch)
    return stale


def _with_stale_ancestors(graph: Sequence[Node], stale: Mapping[str, Batches]) -> Iterator[tuple[Node, set[str]]]:
    """Each asset in order, with the stale assets that it is made from, directly or not."""
    ancestors: dict[str, set[str]] = {}
    for node in graph:
        parents = [name for name in node.asset.upstream if name in ancestors]
        ancestors[node.name] = set(parents).union(*(ancestors[parent] for parent in parents))
        yield node, ancestors[node.name] & stale.keys()


def _beginnings(graph: Sequence[Node], tasks: Sequence[Task]) -> dict[tuple[str, str | None], str]:
    """What each run would begin from: code versions, inputs from outside of it, and which of its assets are missing.

    By the last, assets that a run left unmade when it failed elsewhere are recognised as a new state.
    """
    code = {node.name: node.code_version for node in graph}
    parts: dict[tuple[str, str | None], list[Any]] = {}
    for task in tasks:
        group = together(task.asset)
        made_with_it = {name for name in code if together(name) == group}
        outside = {name: at for name, at in task.inputs.items() if Partition.parse(name).asset not in made_with_it}
        parts.setdefault((group, task.batch), []).append([task.asset, code[task.asset], outside, task.missing])
    return {key: digest(*part) for key, part in parts.items()}
