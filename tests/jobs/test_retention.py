from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from fineline.jobs.definitions import build
from fineline.jobs.retention import delete_run, needed_runs, old_runs
from fineline.resources.core.storage.files import write_atomically
from fineline.resources.core.storage.store import Manifest, Storage

RECIPE = "name: kept\nsources: [{name: docs, kind: python_docs}]\n"
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


def commit(storage, asset, run_id):
    write_atomically(storage.folder(asset) / "x", b"")
    storage.commit(
        Manifest(
            asset=asset, batch=None, data_version="v", code_version="1", inputs={}, files={"x": "x"}, run_id=run_id
        )
    )


def test_runs_that_made_what_is_stored_or_hold_the_last_event_of_an_asset_are_needed(kept, tmp_path):
    first, last = (dg.materialize([table], instance=kept).run_id for _ in range(2))
    stored, unneeded = (other.execute_in_process(instance=kept).run_id for _ in range(2))
    storage = Storage(tmp_path)
    commit(storage, "splits", stored)
    assert needed_runs(kept, storage) == {last, stored}
    assert set(old_runs(kept, storage, LATER)) == {first, unneeded}


def test_every_run_that_made_a_certificate_is_needed(kept, tmp_path, monkeypatch):
    @dg.asset
    def forgetting_certificates():
        return dg.MaterializeResult()

    monkeypatch.setattr("fineline.jobs.retention.AT_ONCE", 2)
    runs = {dg.materialize([forgetting_certificates], instance=kept).run_id for _ in range(3)}
    assert needed_runs(kept, Storage(tmp_path)) == runs


def test_runs_of_the_last_days_and_runs_at_work_are_kept(kept, tmp_path):
    other.execute_in_process(instance=kept)
    kept.create_run_for_job(other, status=dg.DagsterRunStatus.STARTED)
    assert old_runs(kept, Storage(tmp_path), datetime.now(UTC) - timedelta(days=1)) == []
    assert len(old_runs(kept, Storage(tmp_path), LATER)) == 1


def test_a_deleted_run_leaves_no_event_and_no_file(kept):
    run_id = other.execute_in_process(instance=kept).run_id
    home = Path(kept.root_directory)
    assert [path for path in home.rglob(f"*{run_id}*")]
    delete_run(kept, run_id)
    assert kept.get_run_by_id(run_id) is None
    assert [path for path in home.rglob(f"*{run_id}*")] == []


@pytest.mark.parametrize("dry_run", [True, False])
def test_the_job_removes_what_is_not_kept_and_a_dry_run_only_lists_it(kept, tmp_path, monkeypatch, dry_run):
    monkeypatch.setenv("FINELINE_HOME", str(tmp_path))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"{RECIPE}retention: {{checkpoints: 0}}\n")
    checkpoint = tmp_path / "kept" / "checkpoints" / "sft_model-aa" / "weights"
    write_atomically(checkpoint, b"xy")
    config = {"ops": {"remove_what_is_not_kept": {"config": {"dry_run": dry_run}}}}
    job = build(str(recipe)).resolve_job_def("prune")
    result = job.execute_in_process(instance=kept, run_config=config)
    assert result.success
    assert checkpoint.exists() == dry_run
    (output,) = result.filter_events(lambda event: event.event_type_value == "STEP_OUTPUT")
    shown = output.step_output_data.metadata
    assert shown["checkpoints"].value == 1
    assert shown["dry run"].value == dry_run
    assert "checkpoints/sft_model-aa" in shown["files"].value
