"""Which of the stale assets are made together in one run."""

from __future__ import annotations

from collections.abc import Sequence

from fineline.resources.planning.inputs import PER_BATCH
from fineline.resources.planning.plan import Node, Task


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
