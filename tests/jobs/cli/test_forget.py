import argparse
import io

import dagster as dg
import polars as pl
import pytest
from support import traced_storage
from support.traced_storage import FIRST, KEPT, SECOND

from fineline.jobs.cli.forget import add_arguments, forget
from fineline.jobs.definitions import build
from fineline.jobs.runner import RunFailed
from fineline.resources.core.storage.files import StorageError
from fineline.resources.core.storage.tables import scan_table
from fineline.resources.governance.forgetting import matches as plan
from fineline.resources.governance.forgetting.request import Request, put
from fineline.resources.project import current_project

PERSON = "Ada Lovelace"
RECIPE = "name: small\nsources: [{name: notes, kind: files, path: notes, licence: CC0-1.0}]\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "small.yaml").write_text(RECIPE)
    monkeypatch.setenv("FINELINE_RECIPE", str(tmp_path / "small.yaml"))
    monkeypatch.setenv("FINELINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", "")
    project = current_project()
    traced_storage.fill(project.storage)
    return project


def run(project, *arguments):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return forget(project, parser.parse_args(["--request", "R-17", *arguments]))


def record_ids(project):
    return set(scan_table(project.storage, "raw_corpus", [FIRST, SECOND]).collect()["record_id"])


def test_a_person_is_forgotten_by_texts_that_come_in_on_standard_input(project, monkeypatch, capfd):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PERSON}\n\nGrace Hopper\n"))
    said = run(project, "--reason", "erasure request", "--text-file", "-")
    assert "Request R-17" in said
    assert "2 records are forgotten" in said
    assert "sft_model (1; train it again)" in said
    assert "nothing remains" in said
    assert KEPT["record_id"] not in record_ids(project)
    assert PERSON not in "".join([said, *capfd.readouterr()])


def test_what_is_refused_says_how_to_confirm_it_and_what_it_names_is_not_kept(project, monkeypatch):
    monkeypatch.setattr(plan, "UNCONFIRMED_RECORDS", 1)
    with pytest.raises(RunFailed, match=r"2 of 7 records contain .* confirm with --yes") as refused:
        run(project, "--reason", "erasure request", "--text", PERSON)
    assert PERSON not in str(refused.value)
    assert list((project.storage.local.folder / "requests").iterdir()) == []
    assert KEPT["record_id"] in record_ids(project)
    run(project, "--reason", "erasure request", "--text", PERSON, "--yes")
    assert KEPT["record_id"] not in record_ids(project)


def test_without_a_reason_a_request_that_waits_goes_on(project):
    with pytest.raises(StorageError, match="no request R-17 waits"):
        run(project)
    with pytest.raises(StorageError, match="a new request needs --reason"):
        run(project, "--source", "notes")
    with pytest.raises(StorageError, match="cannot be read as text"):
        run(project, "--reason", "erasure request", "--text-file", str(project.storage.local.folder / "nowhere"))
    put(project.storage, Request(request_id="R-17", reason="erasure request", records=[KEPT["record_id"]]))
    assert "1 records are forgotten" in run(project)


def test_a_run_that_names_no_request_carries_out_all_that_wait_and_then_changes_nothing(project, instance):
    put(project.storage, Request(request_id="R-17", reason="erasure request", texts=[PERSON]))
    put(project.storage, Request(request_id="R-18", reason="contract ended", batch=SECOND))
    job = build().resolve_job_def("forget")
    assert job.execute_in_process(instance=instance).success
    table = scan_table(project.storage, "forgetting_certificates").collect()
    assert table.sort("request_id").select("request_id", "asked_by").rows() == [("R-17", "text"), ("R-18", "batch")]
    version = project.storage.require("forgetting_certificates").data_version
    assert job.execute_in_process(instance=instance).success
    assert project.storage.require("forgetting_certificates").data_version == version


def test_no_run_holds_what_a_request_names_and_the_failed_check_of_one_names_the_files(project, instance):
    (project.storage.local.folder / "notes.txt").write_text(f"somebody wrote: {PERSON}")
    put(project.storage, Request(request_id="R-17", reason="erasure request", texts=[PERSON]))
    config = {"ops": {"forgetting_certificates": {"config": {"request": "R-17"}}}}
    result = (
        build().resolve_job_def("forget").execute_in_process(instance=instance, run_config=config, raise_on_error=False)
    )
    assert not result.success
    (remains,) = [e for e in result.get_asset_check_evaluations() if e.check_name == "nothing_remains"]
    assert remains.metadata["remains in"].value == {"R-17": ["notes.txt"]}
    assert (project.storage.local.folder / "requests" / "R-17.json").exists(), "it is not done yet"
    logged = "".join(str(entry) for entry in instance.all_logs(result.run_id)) + str(instance.get_runs())
    assert "Lovelace" not in logged
    (project.storage.local.folder / "notes.txt").unlink()
    assert build().resolve_job_def("forget").execute_in_process(instance=instance, run_config=config).success
    table = scan_table(project.storage, "forgetting_certificates").collect()
    assert table.select("records", pl.col("remains").list.len()).rows() == [(2, 0)]
    assert dg.DagsterRunStatus.FAILURE in {run.status for run in instance.get_runs()}
