"""kill -9 of every process of the living service, in the middle of real steps, and of all of them at once."""

import os

import dagster as dg
import pytest
from faults.service import Service, World, history

pytestmark = pytest.mark.daemon

STEPS = ("raw_corpus", "scrubbed_corpus")
FAILED, SUCCEEDED = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def world(request, tmp_path_factory):
    environment = {}
    if request.param == "postgresql":
        url = os.environ.get("FINELINE_TEST_POSTGRES_URL")
        if url is None:
            pytest.skip("FINELINE_TEST_POSTGRES_URL names no server")
        environment["FINELINE_POSTGRES_URL"] = url
    return World(tmp_path_factory.mktemp(request.param), **environment)


@pytest.fixture
def service(world):
    service = Service(world)
    yield service
    service.stop()


def test_a_killed_worker_is_replaced_and_then_ten_runs_at_once_succeed(world, service):
    world.empty()
    with history(world) as dagster:
        run = service.launch(*STEPS)
        service.wait(lambda: dagster.is_at(run, "scrubbed_corpus"), 120, "scrubbed_corpus to begin")
        dagster.worker(run).kill()
        assert service.wait(lambda: dagster.status(run) == FAILED, 120, "the death to be noticed") < 120
        service.wait(lambda: dagster.last_try_succeeded(run), 180, "the retry to succeed")
        assert world.versions().items() <= world.undisturbed.items()

        runs = [service.launch(*STEPS) for _ in range(10)]
        service.wait(lambda: all(dagster.status(each).value in FINISHED for each in runs), 300, "ten runs to end")
        assert {dagster.status(each) for each in runs} == {SUCCEEDED}
    assert "locked" not in service.log.read_text()


FINISHED = {"SUCCESS", "FAILURE", "CANCELED"}


def test_a_killed_webserver_or_daemon_ends_the_service_and_starting_it_again_goes_on(world, service):
    world.empty()
    with history(world) as dagster:
        run = service.launch(*STEPS)
        service.wait(lambda: dagster.is_at(run, "raw_corpus"), 120, "raw_corpus to begin")
        service.kill("dagster._daemon run")
        service.wait(lambda: service.process.poll() is not None, 120, "the service to end with its daemon")
        again = Service(world)
        try:
            again.wait(lambda: dagster.last_try_succeeded(run), 240, "the run to succeed")
            assert world.versions().items() <= world.undisturbed.items()
            again.kill("-m dagster_webserver")
            again.wait(lambda: again.process.poll() is not None, 120, "the service to end with its webserver")
        finally:
            again.stop()


def test_after_a_kill_of_everything_the_run_is_found_dead_and_made_whole(world, service):
    world.empty()
    with history(world) as dagster:
        run = service.launch()
        service.wait(lambda: dagster.is_at(run, "scrubbed_corpus"), 120, "scrubbed_corpus to begin")
        service.kill()
        assert dagster.status(run) == dg.DagsterRunStatus.STARTED
        again = Service(world)
        try:
            again.wait(lambda: dagster.status(run) == FAILED, 120, "the death to be noticed")
            again.wait(lambda: dagster.last_try_succeeded(run), 240, "the run to succeed")
            assert world.versions() == world.undisturbed
        finally:
            again.stop()
