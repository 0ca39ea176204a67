"""The run launcher: Dagster's default one, with a check whether a run's process is alive."""

from __future__ import annotations

import dagster as dg
import psutil

from fineline.resources.core.orchestrator.internals import (
    STARTED_PROCESS,
    CheckRunHealthResult,
    ConfigurableClassData,
    WorkerStatus,
)

# The process that executes a run in itself, as the command line does; a tag of such runs.
RUNNER_TAG = "fineline/process"
# A process created later than this after the recorded time has only the same id.
_SLACK_SECONDS = 2.0


class HealthCheckedRunLauncher(dg.DefaultRunLauncher):
    """Starts runs in processes of this machine, and reports to run monitoring those that were killed.

    Dagster's default launcher cannot check: a run whose worker and code server were killed would stay STARTED, and
    keep its place in the queue and its pool slot.
    """

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data)
        # psutil compares by the time since boot, so that changing the clock makes no difference to these.
        self._workers: dict[str, psutil.Process] = {}

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Always true."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the process of a started run is alive. A run without a known process counts as alive."""
        self._workers = {run_id: worker for run_id, worker in self._workers.items() if _is_alive(worker)}
        if run.run_id in self._workers:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        found = self._process(run)
        if found is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "The run has recorded no process")
        pid, started_before = found
        worker = living_process(pid, started_before)
        if worker is None:
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"The run's process (pid {pid}) is gone")
        self._workers[run.run_id] = worker
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def _process(self, run: dg.DagsterRun) -> tuple[int, float] | None:
        """The process id of a run, and a time (seconds since 1970) by which the process had started."""
        if RUNNER_TAG in run.tags:
            return read_runner(run.tags[RUNNER_TAG])
        for entry in self._instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
            started = STARTED_PROCESS.match(entry.user_message or entry.message or "")
            if started:
                return int(started[1]), entry.timestamp
        return None


def runner() -> str:
    """This process as a value of ``RUNNER_TAG``: its id and the time it started."""
    me = psutil.Process()
    return f"{me.pid}-{me.create_time():.0f}"


def read_runner(tag: str) -> tuple[int, float]:
    """The process id and the start, in seconds since 1970, of a value of ``RUNNER_TAG``."""
    pid, _, started = tag.partition("-")
    return int(pid), float(started)


def living_process(pid: int, started_before: float) -> psutil.Process | None:
    """The process of an id if it is alive and had started by that time, in seconds since 1970."""
    try:
        process = psutil.Process(pid)
        return process if process.create_time() <= started_before + _SLACK_SECONDS and _is_alive(process) else None
    except psutil.NoSuchProcess:
        return None


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
