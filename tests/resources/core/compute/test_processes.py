import os
import signal
import subprocess
import sys
import time
from contextlib import closing

import psutil
import pytest
from support import workers
from support.workers import Answering, KilledOnce, Squares

from fineline.resources.core.compute.processes import Processes, UnitError, WorkerDied


@pytest.fixture
def engine():
    with closing(Processes(2)) as engine:
        yield engine


def children(of=None):
    living = [child for child in psutil.Process(of).children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in living if "spawn_main" in " ".join(child.cmdline())]


def wait_until(condition, seconds=30):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_units_run_in_as_many_processes_as_are_asked_for(engine, tmp_path):
    list(engine.each(Squares(tmp_path, seconds=0.05), range(0, 40, 2)))
    assert len(children()) == 2
    assert len(set((tmp_path / "units").read_text().split())) == 2


def test_no_more_processes_start_than_there_are_units(engine):
    assert len(list(engine.each(Answering(), [workers.process]))) == 1
    assert len(children()) == 1


def test_a_consumer_that_is_slow_keeps_few_units_outstanding(engine, tmp_path):
    results = engine.each(Squares(tmp_path), range(1000))
    next(results)
    time.sleep(1)
    assert len((tmp_path / "units").read_text().split()) <= 8


def test_another_factory_ends_the_processes_of_the_one_before(engine, tmp_path):
    list(engine.each(Squares(tmp_path), range(8)))
    list(engine.each(Answering(), [workers.process] * 8))
    assert len(children()) <= 2


def test_leaving_early_ends_the_units_in_work(engine):
    results = engine.each(Answering(), [workers.process, workers.sleeps, workers.sleeps, workers.sleeps])
    next(results)
    results.close()
    assert children() == []


def test_closing_ends_the_units_of_an_iterator_that_is_still_there(engine):
    results = engine.each(Answering(), [workers.process, workers.sleeps])
    next(results)
    engine.close()
    assert children() == []
    with pytest.raises(RuntimeError, match="closed"):
        next(results)


def test_a_process_that_is_killed_has_its_unit_done_again(engine, tmp_path):
    units = [workers.process, KilledOnce(tmp_path), workers.process, workers.process]
    results = list(engine.each(Answering(), units))
    assert results[1] == "done"
    assert [type(result) for result in results] == [int, str, int, int]


def test_a_unit_whose_process_is_killed_twice_is_named_and_ends_the_work(engine):
    results = engine.each(Answering(), [workers.process, workers.killed_always, workers.sleeps])
    next(results)
    with pytest.raises(WorkerDied, match=r"was killed by SIGKILL while it worked on .*killed_always"):
        next(results)
    assert children() == []


def test_an_error_that_cannot_be_sent_arrives_with_its_type_and_message(engine):
    with pytest.raises(UnitError, match="Particular: limit 3"):
        list(engine.each(Answering(), [workers.fails_particularly]))


def test_a_result_that_cannot_be_sent_is_an_error_of_its_unit(engine):
    with pytest.raises(TypeError, match="cannot pickle"):
        list(engine.each(Answering(), [workers.gives_what_cannot_be_sent]))


def test_the_traceback_in_the_worker_is_a_note_of_the_error(engine):
    with pytest.raises(ValueError, match="no such record") as raised:
        list(engine.each(Answering(), [workers.fails_with_cause]))
    assert "in fails_with_cause" in raised.value.__notes__[0]


def test_processes_share_the_cores(engine, monkeypatch):
    share = max(1, (os.cpu_count() or 1) // 2)
    assert list(engine.each(Answering(), [workers.limits])) == [(str(share), share)]
    engine.close()
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert list(engine.each(Answering(), [workers.limits])) == [("7", share)]


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_processes_end_with_the_one_that_started_them(ended_by):
    program = (
        "from support import workers\n"
        "from fineline.resources.core.compute.processes import Processes\n"
        "list(Processes(2).each(workers.Answering(), [workers.sleeps] * 3))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    parent = subprocess.Popen([sys.executable, "-c", program], env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: len(children(parent.pid)) == 2)
        started = children(parent.pid)
        parent.send_signal(ended_by)
        parent.wait(30)
        wait_until(lambda: not any(child.is_running() for child in started))
    finally:
        parent.kill()
        parent.wait()
