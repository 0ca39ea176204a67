import os
import subprocess
import sys
import time

import dagster as dg
import psutil
import pytest
from support.dagster_internals import EngineEventData

from fineline.resources.core.orchestrator.internals import WorkerStatus
from fineline.resources.core.orchestrator.launcher import (
    RUNNER_TAG,
    HealthCheckedRunLauncher,
    living_process,
    read_runner,
    runner,
)


@pytest.fixture
def worker():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.fixture
def launcher(instance):
    launcher = HealthCheckedRunLauncher()
    launcher.register_instance(instance)
    return launcher


def started_run(instance, pid=None, **tags):
    @dg.job
    def empty():
        pass

    run = instance.create_run_for_job(empty, tags=tags)
    if pid is not None:
        instance.report_engine_event(f"Started process for run (pid: {pid}).", run, EngineEventData.in_process(pid))
    return run


def test_run_monitoring_may_ask_it(launcher):
    assert launcher.supports_check_run_worker_health


def test_a_run_whose_process_lives_is_running_until_it_is_killed(instance, launcher, worker):
    run = started_run(instance, worker.pid)
    assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
    worker.kill()
    worker.wait()
    found = launcher.check_run_worker_health(run)
    assert found.status == WorkerStatus.NOT_FOUND
    assert str(worker.pid) in found.msg


def test_a_killed_process_that_nobody_has_buried_is_dead(instance, launcher, worker):
    run = started_run(instance, worker.pid)
    launcher.check_run_worker_health(run)
    worker.kill()
    while psutil.Process(worker.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert launcher.check_run_worker_health(run).status == WorkerStatus.NOT_FOUND


def test_another_process_with_the_same_id_is_not_taken_for_it(instance, launcher, worker, monkeypatch):
    run = started_run(instance, worker.pid)
    created = psutil.Process(worker.pid).create_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: created + 60)
    assert launcher.check_run_worker_health(run).status == WorkerStatus.NOT_FOUND


def test_a_clock_that_is_set_later_does_not_make_a_known_process_another(instance, launcher, worker, monkeypatch):
    run = started_run(instance, worker.pid)
    assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
    created = psutil.Process(worker.pid).create_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: created + 3600)
    monkeypatch.setattr(time, "time", lambda: created - 3600)
    assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING


def test_a_run_of_a_command_is_known_by_its_tag(instance, launcher):
    assert launcher.check_run_worker_health(started_run(instance, **{RUNNER_TAG: runner()})).status.value == "RUNNING"
    gone = f"{os.getpid()}-{psutil.Process().create_time() - 60:.0f}"
    assert launcher.check_run_worker_health(started_run(instance, **{RUNNER_TAG: gone})).status.value == "NOT_FOUND"


def test_a_run_of_which_no_process_is_known_is_left_alone(instance, launcher):
    assert launcher.check_run_worker_health(started_run(instance)).status == WorkerStatus.RUNNING


def test_the_tag_of_a_command_names_the_process_that_wrote_it():
    assert living_process(*read_runner(runner())).pid == os.getpid()
