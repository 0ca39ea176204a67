from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from fineline.resources.core.orchestrator.runs import delete_run, needed_runs, old_runs
from fineline.resources.core.storage.manifest import Manifest

LATER = datetime.now(UTC) + timedelta(days=1)


@dg.asset
def table():
    return dg.MaterializeResult()


@dg.op
def nothing():
    pass


@dg.job
def other():
    nothing()


@pytest.fixture
def kept():
    """A Dagster home on disk, as users have it."""
    with dg.instance_for_test() as instance:
        yield instance


def made_by(run_id):
    return Manifest(asset="splits", batch=None, data_version="v", code_version="1", inputs={}, files={}, run_id=run_id)


def test_runs_that_made_what_is_stored_or_hold_the_last_event_of_an_asset_are_needed(kept):
    first, last = (dg.materialize([table], instance=kept).run_id for _ in range(2))
    stored, unneeded = (other.execute_in_process(instance=kept).run_id for _ in range(2))
    manifests = [made_by(stored)]
    assert needed_runs(kept, manifests) == {last, stored}
    assert set(old_runs(kept, manifests, LATER)) == {first, unneeded}


def test_every_run_that_made_a_certificate_is_needed(kept, monkeypatch):
    @dg.asset
    def forgetting_certificates():
        return dg.MaterializeResult()

    monkeypatch.setattr("fineline.resources.core.orchestrator.runs.PAGE", 2)
    runs = {dg.materialize([forgetting_certificates], instance=kept).run_id for _ in range(3)}
    assert needed_runs(kept, []) == runs


def test_runs_of_the_last_days_and_runs_at_work_are_kept(kept):
    other.execute_in_process(instance=kept)
    kept.create_run_for_job(other, status=dg.DagsterRunStatus.STARTED)
    assert old_runs(kept, [], datetime.now(UTC) - timedelta(days=1)) == []
    assert len(old_runs(kept, [], LATER)) == 1


def test_a_deleted_run_leaves_no_event_and_no_file(kept):
    run_id = other.execute_in_process(instance=kept).run_id
    home = Path(kept.root_directory)
    assert [path for path in home.rglob(f"*{run_id}*")]
    delete_run(kept, run_id)
    assert kept.get_run_by_id(run_id) is None
    assert [path for path in home.rglob(f"*{run_id}*")] == []
