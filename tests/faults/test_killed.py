"""kill -9 of every process of the living service, in the middle of real steps, and of all of them at once."""

import os
import shutil

import dagster as dg
import pytest
from faults.service import Service, World, history, make_undisturbed

from fineline.resources.core.orchestrator.postgres import VARIABLE

pytestmark = [pytest.mark.daemon, pytest.mark.timeout(900)]

STEPS = ("raw_corpus", "scrubbed_corpus")
FAILED, SUCCEEDED = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    make_undisturbed(folder)
    return folder


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def world(request, undisturbed, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param) / "world"
    shutil.copytree(undisturbed, folder)
    environment = {}
    if request.param == "postgresql":
        if "FINELINE_TEST_POSTGRES_URL" not in os.environ:
            pytest.skip("FINELINE_TEST_POSTGRES_URL names no server")
        environment[VARIABLE] = os.environ["FINELINE_TEST_POSTGRES_URL"]
        shutil.rmtree(folder / "home" / "faults" / "dagster")
    world = World(folder, **environment)
    # Nothing is made, but PostgreSQL learns what is stored.
    assert "nothing had changed" in world.command("run")
    world.let_run_at_once(10)
    return world


@pytest.fixture(scope="module")
def services(world):
    """The service that runs now, the last of the list: it is killed and started again."""
    started = [Service(world)]
    yield started
    for service in started:
        service.stop()


def test_a_killed_worker_is_noticed_and_replaced_and_the_tables_are_those_of_an_undisturbed_run(world, services):
    service = services[-1]
    world.empty()
    with history(world) as dagster:
        run = service.launch(*STEPS)
        service.wait(lambda: dagster.is_at(run, "raw_corpus"), 120, "raw_corpus to begin")
        dagster.worker(run).kill()
        service.wait(lambda: dagster.status(run) == FAILED, 120, "the death to be noticed")
        service.wait(lambda: dagster.last_try_succeeded(run), 180, "the retry to succeed")
    assert world.versions().items() <= world.undisturbed.items()
    assert len(world.versions()) == 4


@pytest.mark.outcome(
    "killed", "kill -9 of the whole service in a run", "the run is noticed, and made whole at the next start"
)
def test_after_a_kill_of_everything_the_dead_run_is_noticed_and_made_whole(world, services):
    service = services[-1]
    world.empty()
    with history(world) as dagster:
        run = service.launch()
        service.wait(lambda: dagster.is_at(run, "scrubbed_corpus"), 120, "scrubbed_corpus to begin")
        service.kill()
        service.process.wait(timeout=30)
        assert dagster.status(run) == dg.DagsterRunStatus.STARTED, "nobody is left who could tell"
        services.append(Service(world))
        services[-1].wait(lambda: dagster.status(run) == FAILED, 120, "the death to be noticed")
        services[-1].wait(lambda: dagster.last_try_succeeded(run), 400, "the retry to succeed")
    assert world.versions() == world.undisturbed


def test_ten_runs_of_the_same_assets_at_once_all_succeed(world, services):
    service = services[-1]
    shutil.rmtree(world.root / "assets" / "label_issues")
    shutil.rmtree(world.root / "assets" / "curated_corpus")
    with history(world) as dagster:
        runs = [service.launch("label_issues", "curated_corpus") for _ in range(10)]
        # On a machine with other work a worker may take longer to start than it may, and is tried again.
        service.wait(lambda: all(dagster.last_try_succeeded(each) for each in runs), 500, "ten runs to succeed")
        # More than are allowed by default; those that find all made are over at once.
        assert dagster.most_at_once(runs) > 2
    assert world.versions() == world.undisturbed
    assert "locked" not in service.log.read_text()


def test_the_service_ends_with_its_daemon_and_a_run_under_way_is_made_whole_when_it_is_started_again(world, services):
    service = services[-1]
    world.empty()
    with history(world) as dagster:
        run = service.launch(*STEPS)
        service.wait(lambda: dagster.is_at(run, "raw_corpus"), 120, "raw_corpus to begin")
        service.kill("dagster._daemon run")
        service.wait(lambda: service.process.poll() is not None, 120, "the service to end")
        assert service.process.returncode == 1
        services.append(Service(world))
        services[-1].wait(lambda: dagster.last_try_succeeded(run), 400, "the run, or its retry, to succeed")
    assert world.versions().items() <= world.undisturbed.items()


def test_the_service_ends_with_its_webserver_and_serves_the_same_when_it_is_started_again(world, services):
    service = services[-1]
    before = service.runs()
    assert before
    service.kill("-m fineline.jobs.ui.server")
    service.wait(lambda: service.process.poll() is not None, 120, "the service to end")
    assert service.process.returncode == 1
    services.append(Service(world))
    assert services[-1].runs() == before


def test_the_password_is_in_no_file_and_no_command_line(world, services):
    if VARIABLE not in world.environment:
        pytest.skip("SQLite has none")
    password = world.environment[VARIABLE].split("@")[0].rpartition(":")[2]
    assert len(password) > 10
    lines = [" ".join(process.cmdline()) for process in services[-1].processes()]
    assert lines
    assert not [line for line in lines if password in line]
    files = [path for path in world.folder.rglob("*") if path.is_file()]
    assert not [path for path in files if password.encode() in path.read_bytes()]
