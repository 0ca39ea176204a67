"""The run launcher: Dagster's own, which also knows whether a run's process still lives."""

from __future__ import annotations

import re

import dagster as dg
import psutil
from dagster._core.events import DagsterEventType
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._serdes import ConfigurableClassData

# On runs that a command carries out in its own process: the process that does.
RUNNER_TAG = "fineline/process"
# A process that was started later than this after the run said its id is another one with that id.
_SLACK_SECONDS = 2.0
_STARTED = re.compile(r"^Started process for run \(pid: (\d+)\)")


class HealthCheckedRunLauncher(DefaultRunLauncher):
    """Runs in processes of this machine, of which run monitoring learns when they were killed.

    Dagster's default launcher cannot tell: a run whose worker and code server were killed would seem to go on for
    ever, and keep its place in the queue and its pool slot.
    """

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data)
        # Known by their time since boot once they are found: a clock that is set later makes no difference.
        self._workers: dict[str, psutil.Process] = {}

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Always."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the process that carries out a started run lives. One that nothing is known of counts as alive."""
        self._workers = {run_id: worker for run_id, worker in self._workers.items() if _lives(worker)}
        if run.run_id in self._workers:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        found = self._process(run)
        if found is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "The run does not say which process carries it out")
        pid, started_before = found
        worker = living_process(pid, started_before)
        if worker is None:
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"The run's process (pid {pid}) is gone")
        self._workers[run.run_id] = worker
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def _process(self, run: dg.DagsterRun) -> tuple[int, float] | None:
        """The id of the process that carries out a run, and a time at which it had been started."""
        if RUNNER_TAG in run.tags:
            return read_runner(run.tags[RUNNER_TAG])
        for entry in self._instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT):
            started = _STARTED.match(entry.user_message or entry.message or "")
            if started:
                return int(started[1]), entry.timestamp
        return None


def runner() -> str:
    """This process, for the tag of a run that it carries out: its id, and when it was started."""
    me = psutil.Process()
    return f"{me.pid}-{me.create_time():.0f}"


def read_runner(tag: str) -> tuple[int, float]:
    """The process id and the time of start, in seconds since 1970, of ``runner``."""
    pid, _, started = tag.partition("-")
    return int(pid), float(started)


def living_process(pid: int, started_before: float) -> psutil.Process | None:
    """The process of that id that had been started at that time, if it still lives."""
    try:
        process = psutil.Process(pid)
        return process if process.create_time() <= started_before + _SLACK_SECONDS and _lives(process) else None
    except psutil.NoSuchProcess:
        return None


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
