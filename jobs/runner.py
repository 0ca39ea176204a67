"""The main job: makes what is missing or has changed, skips the rest, and reports both."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import dagster as dg

from fineline.assets.execution.partitions import BATCHES
from fineline.assets.pipeline import nodes
from fineline.jobs.definitions import build
from fineline.jobs.recorded import record_what_is_stored
from fineline.resources.core.orchestrator import runs
from fineline.resources.core.orchestrator.databases import prepare_databases
from fineline.resources.core.orchestrator.internals import CHECK_FAILED, INTERRUPTED
from fineline.resources.core.orchestrator.settings import write_settings
from fineline.resources.core.presentation.inert import from_markdown
from fineline.resources.core.presentation.output import say
from fineline.resources.core.redaction import FinelineError
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.files import StorageError, make_writable
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.data.ingestion.batches import accept_again, with_names
from fineline.resources.data.ingestion.scan import require_batches, scan_until_settled
from fineline.resources.data.ingestion.source_scan import SourceScan
from fineline.resources.planning.plan import Node, Task, plan
from fineline.resources.planning.waves import next_wave
from fineline.resources.project import Project
from fineline.schedules.arrivals import sync_arrivals
from fineline.schedules.failures import most_telling_error

RUN_AGAIN = "What is complete is kept: mend the cause and run the same command again."


class RunFailed(FinelineError):
    """A run that did not succeed; the message says where and why. ``assets`` are those whose step failed."""

    def __init__(self, message: str, assets: Collection[str] = ()) -> None:
        super().__init__(message)
        self.assets = assets


def prepare_home(project: Project) -> Path:
    """Dagster's own folder inside the storage root, with its settings and databases, named by DAGSTER_HOME.

    Raises StorageError where it cannot be written, or the PostgreSQL server that is asked for cannot be used.
    """
    home = project.storage.local.path(layout.DAGSTER_HOME)
    make_writable(home)
    project.storage.local.make_private()
    write_settings(home, project.recipe.name)
    for folder in prepare_databases(project.storage.local):
        say(f"  note  Dagster's {folder} was damaged: it is set aside as {home / folder}.damaged, and begins again")
    os.environ["DAGSTER_HOME"] = str(home)
    return home


@contextmanager
def only_runner(project: Project) -> Iterator[dg.DagsterInstance]:
    """Hold the storage root for this process, and open Dagster's instance in it.

    Raises StorageError where another run holds it, or Dagster's home cannot be prepared.
    """
    with project.storage.root.lock(layout.RUNNER_LOCK, wait=False) as alone:
        if not alone:
            root = project.storage.root
            holder = root.holder(layout.RUNNER_LOCK) or "another run"
            raise StorageError(
                f"{holder} is at work in {root.location('')}; wait for it to end, or stop it, then run again"
            )
        prepare_home(project)
        with dg.DagsterInstance.get() as instance:
            yield instance


def plan_recipe(project: Project) -> list[Task]:
    """What a run would make and skip now; makes nothing."""
    graph = nodes(build().resolve_asset_graph())
    return plan(graph, project.storage, _look(project).versions, project.recipe)


def make(project: Project, definitions: dg.Definitions, instance: dg.DagsterInstance) -> tuple[list[Task], list[Task]]:
    """Make everything that is missing or has changed. Returns the tasks that were made, and those that were skipped.

    Raises RunFailed in the end where a step or a blocking check failed. Complete results are kept, and what does not
    follow from the failed step is made.
    """
    close_interrupted(instance)
    _look(project)
    graph = nodes(definitions.resolve_asset_graph())
    tasks = _tasks(project, graph, instance)
    for label in record_what_is_stored(definitions, instance, project.storage, tasks):
        say(with_names(project.storage, f"  note  {label} was stored by a run that was interrupted; it is kept"))
    made: list[Task] = []
    before: list[tuple[Task, Manifest | None]] = []
    failures: list[RunFailed] = []
    failed: set[str] = set()
    while wave := next_wave(graph, tasks, failed):
        state = [(task, project.storage.manifest(task.asset, task.batch)) for task in wave]
        if state == before:
            raise RunFailed(
                f"{wave[0].label} was run and is still to be made ({wave[0].reason}), with nothing of it changed. "
                "What is complete is kept: run the same command again; if this message comes again, please report it."
            )
        before = state
        lines = "\n".join(f"  make  {task.label}: {task.reason}" for task in wave)
        say(with_names(project.storage, lines))
        try:
            made += _run_wave(definitions, instance, project, wave)
        except RunFailed as failure:
            failures.append(failure)
        tasks = _tasks(project, graph, instance)
        if failures:
            failed |= {task.label for task in tasks if task.reason and task.asset in failures[-1].assets}
    if failures:
        raise RunFailed("\n".join([*dict.fromkeys(map(str, failures)), RUN_AGAIN]))
    done = {task.label for task in made}
    return made, [task for task in tasks if task.label not in done]


def _tasks(project: Project, graph: Sequence[Node], instance: dg.DagsterInstance) -> list[Task]:
    """What is to be made now. A file may change at any time, so the sources are scanned again before each plan."""
    arrived = sync_arrivals(instance, project.storage, project.recipe.sources).versions
    return plan(graph, project.storage, arrived, project.recipe)


def _look(project: Project) -> SourceScan:
    """What the sources offer, once new files are complete. Raises SourceError where that is nothing."""
    accept_again(project.storage, project.recipe)
    found = scan_until_settled(project.storage, project.recipe.sources, lambda note: say(f"  note  {note}"))
    for note in found.lines:
        say(found.shown(f"  note  {note}"))
    require_batches(found)
    return found


def close_interrupted(instance: dg.DagsterInstance) -> None:
    """Mark runs as canceled whose process is gone, as after kill -9, and print a note for each."""
    for run_id in runs.close_interrupted(instance):
        say(f"  note  run {run_id[:8]} was interrupted; going on from what it completed")


def _run_wave(
    definitions: dg.Definitions, instance: dg.DagsterInstance, project: Project, wave: Sequence[Task]
) -> list[Task]:
    """Run a wave, or only its per-batch assets where its batches are not neighbours. Returns the tasks that ran."""
    known = instance.get_dynamic_partitions(str(BATCHES.name))
    ranges = _ranges(known, {task.batch for task in wave if task.batch})
    if len(ranges) > 1:
        wave = [task for task in wave if task.batch]
    assets = [dg.AssetKey(name) for name in dict.fromkeys(task.asset for task in wave)]
    for batches in ranges or [[]]:
        result = definitions.resolve_job_def("main").execute_in_process(
            instance=instance,
            run_config={"loggers": {"console": {}}},
            asset_selection=assets,
            tags=runs.runner_tags(project.recipe.name) | (runs.range_tags(batches) if batches else {}),
            raise_on_error=False,
        )
        if _was_interrupted(result):
            raise KeyboardInterrupt
        if not result.success:
            raise RunFailed(explain(result), {str(event.step_key) for event in _step_failures(result)})
    return list(wave)


def _ranges(known: Sequence[str], wanted: set[str]) -> list[list[str]]:
    """The wanted batches in groups of neighbours in Dagster's order, the only sets that one run can name."""
    return [list(keys) for is_wanted, keys in groupby(known, key=wanted.__contains__) if is_wanted]


def _was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether Ctrl-C ended a step: Dagster turns it into a failure of that step."""
    errors = [event.step_failure_data.error for event in _step_failures(result)]
    return any(error is not None and error.cls_name == INTERRUPTED for error in errors)


def _step_failures(result: dg.ExecuteInProcessResult) -> Sequence[dg.DagsterEvent]:
    return result.filter_events(lambda event: event.is_step_failure)


def explain(result: dg.ExecuteInProcessResult) -> str:
    """What failed, and what to do: in the words of this project's own error, if there is one, else of the innermost."""
    lines = []
    for event in _step_failures(result):
        name, words, _ = most_telling_error(event.step_failure_data.error)
        if name != CHECK_FAILED:
            lines.append(f"{event.step_key}: {words}")
    failed = [
        f"{c.asset_key.to_user_string()}: check {c.check_name} failed. {from_markdown(c.description or '')}".strip()
        for c in result.get_asset_check_evaluations()
        if not c.passed and c.severity == dg.AssetCheckSeverity.ERROR
    ]
    return "\n".join([*failed, *lines])
