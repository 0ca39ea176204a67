"""A worker that is killed while it trains gives its place back: by what the daemon does with our settings."""

import logging
import multiprocessing
import time

import dagster as dg
import pytest
from faults.pool_worker import POOL, train_in_process
from support.dagster_internals import (
    EmptyWorkspaceTarget,
    create_test_daemon_workspace_context,
    execute_concurrency_slots_iteration,
    execute_run_monitoring_iteration,
)

from fineline.resources.core.orchestrator import postgres
from fineline.resources.core.orchestrator.settings import write_settings

NOTICED_IN_SECONDS = 120
LOGGER = logging.getLogger(__name__)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.delenv(postgres.VARIABLE, raising=False)
    write_settings(tmp_path, "small")
    return tmp_path


@pytest.fixture
def workers():
    started = []
    yield started
    for worker in started:
        worker.kill()
        worker.join()


def start(home, workers, for_ever):
    context = multiprocessing.get_context("spawn")
    begun = context.Event()
    workers.append(context.Process(target=train_in_process, args=(home, begun, for_ever)))
    workers[-1].start()
    return begun


def test_a_killed_worker_gives_its_pool_slot_back_within_the_promised_time(home, workers):
    assert start(home, workers, for_ever=True).wait(60)
    workers[-1].kill()
    killed = time.monotonic()
    workers[-1].join()
    begun = start(home, workers, for_ever=False)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        slots = instance.event_log_storage.get_concurrency_info
        assert slots(POOL).slot_count == slots(POOL).active_slot_count == 1, "the dead one holds the only one"
        with create_test_daemon_workspace_context(EmptyWorkspaceTarget(), instance) as context:
            while not begun.wait(1):
                assert time.monotonic() < killed + NOTICED_IN_SECONDS
                list(execute_run_monitoring_iteration(context, LOGGER))
                list(execute_concurrency_slots_iteration(context, LOGGER))
    workers[-1].join(60)
    assert workers[-1].exitcode == 0
