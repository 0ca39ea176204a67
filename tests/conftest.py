import os
from pathlib import Path

import dagster as dg
import pytest
from support import watcher


def pytest_configure() -> None:
    """Whatever the tests start ends with them, also where they are killed."""
    watcher.start()


# First, or the plugin that shares the tests out has read the groups before they are made.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Where tests run in several processes, those that share what takes long to make are in the same one."""
    for item in items:
        makers = item._fixtureinfo.name2fixturedefs.get("world", [])
        session_wide = any(maker.scope == "session" for maker in makers)
        item.add_marker(pytest.mark.xdist_group("world" if session_wide else item.path.as_posix()))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(ids: list[str]) -> None:
    """Raises UsageError where tests are shared out without regard to their groups; they would disturb each other."""
    if not all("@" in name for name in ids):
        raise pytest.UsageError("several processes need --dist loadgroup and a pytest by which it works: make test")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real corpora, which are never copied into the project."""
    default = Path(__file__).resolve().parent.parent.parent / "shared"
    folder = Path(os.environ.get("FINELINE_SHARED", default)) / "data"
    if not folder.is_dir():
        pytest.skip(f"real corpora are not at {folder}; FINELINE_SHARED names their folder")
    return folder


@pytest.fixture
def instance():
    """A Dagster instance in memory."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory):
    """The whole graph, made once; ``world.first`` is what the first run made and skipped."""
    # Imported here: it brings torch, which most tests can do without.
    from support.world import World

    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FINELINE_HOME", str(folder / "home"))
        # Batches are scrubbed in several parts, as large ones are.
        patch.setattr("fineline.resources.data.scrubbing.units._LEAST_RECORDS", 60)
        with dg.DagsterInstance.ephemeral() as instance:
            world = World(folder, instance)
            world.first = world.make()
            world.first_runs = [run.run_id for run in instance.get_runs()]
            yield world
