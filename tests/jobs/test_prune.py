import dagster as dg
import pytest

from fineline.jobs.definitions import build
from fineline.resources.core.storage.files import write_atomically

RECIPE = "name: kept\nsources: [{name: docs, kind: python_docs}]\n"


@pytest.mark.parametrize("dry_run", [True, False])
def test_the_job_removes_what_is_not_kept_and_a_dry_run_only_lists_it(tmp_path, monkeypatch, dry_run):
    monkeypatch.setenv("FINELINE_HOME", str(tmp_path))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"{RECIPE}retention: {{checkpoints: 0}}\n")
    checkpoint = tmp_path / "kept" / "checkpoints" / "sft_model-aa" / "weights"
    write_atomically(checkpoint, b"xy")
    config = {"ops": {"remove_what_is_not_kept": {"config": {"dry_run": dry_run}}}}
    job = build(str(recipe)).resolve_job_def("prune")
    with dg.instance_for_test() as instance:
        result = job.execute_in_process(instance=instance, run_config=config)
    assert result.success
    assert checkpoint.exists() == dry_run
    (output,) = result.filter_events(lambda event: event.event_type_value == "STEP_OUTPUT")
    shown = output.step_output_data.metadata
    assert shown["checkpoints"].value == 1
    assert shown["dry run"].value == dry_run
    assert shown["files"].records[0].data["path"] == "checkpoints/sft_model-aa"
