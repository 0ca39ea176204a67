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
from fineline.resources.governance.forgetting.certificate import certificates
from fineline.resources.governance.forgetting.request import Request, put
from fineline.resources.project import current_project

PERSON, CERTIFICATES = "Ada Lovelace", "forgetting_certificates"
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


def waiting(project):
    return sorted(path.stem for path in (project.storage.local.folder / "requests").glob("*.json"))


@pytest.mark.outcome(
    "forgetting",
    '"Materialize all" with a request that waits',
    "nothing is erased: the job `forget` alone carries out the request that it names",
)
def test_no_selection_of_assets_carries_out_a_request(project, instance):
    put(project.storage, Request(request_id="R-17", reason="erasure request", texts=[PERSON]))
    assets = [build().resolve_assets_def(CERTIFICATES)]
    assert dg.materialize(assets, instance=instance).success
    assert waiting(project) == ["R-17"]
    assert KEPT["record_id"] in record_ids(project)
    config = {"ops": {CERTIFICATES: {"config": {"request": "R-17"}}}}
    refused = dg.materialize(assets, instance=instance, run_config=config, raise_on_error=False)
    assert "launch the job forget for request R-17" in str(refused.all_events)
    assert waiting(project) == ["R-17"]


def test_the_job_names_its_request_and_without_one_names_those_that_wait(project, instance):
    put(project.storage, Request(request_id="R-17", reason="erasure request", texts=[PERSON]))
    put(project.storage, Request(request_id="R-18", reason="contract ended", batch=SECOND))
    job = build().resolve_job_def("forget")
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert "name the request in the run's configuration, under config: request; waiting: R-17, R-18" in str(
        result.all_events
    )
    assert waiting(project) == ["R-17", "R-18"]


@pytest.mark.outcome("forgetting", "a request that cannot be finished", "those after it are carried out")
def test_a_request_that_cannot_be_finished_fails_none_after_it(project, instance):
    (project.storage.local.folder / "notes.txt").write_text(f"somebody wrote: {PERSON}")
    put(project.storage, Request(request_id="R-17", reason="erasure request", texts=[PERSON]))
    put(project.storage, Request(request_id="R-18", reason="contract ended", batch=SECOND))
    job = build().resolve_job_def("forget")

    def carry_out(request):
        config = {"ops": {CERTIFICATES: {"config": {"request": request}}}}
        return job.execute_in_process(instance=instance, run_config=config, raise_on_error=False).success

    assert [carry_out("R-17"), carry_out("R-18"), carry_out("R-17")] == [False, True, False]
    assert waiting(project) == ["R-17"]
    table = certificates(project.storage)
    assert dict(table.select("request_id", pl.col("remains").list.len()).rows()) == {"R-17": 1, "R-18": 0}


def test_no_run_holds_what_a_request_names_and_the_failed_check_of_one_names_the_files(project, instance):
    (project.storage.local.folder / "notes.txt").write_text(f"somebody wrote: {PERSON}")
    put(project.storage, Request(request_id="R-17", reason="erasure request", texts=[PERSON]))
    config = {"ops": {CERTIFICATES: {"config": {"request": "R-17"}}}}
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
    table = scan_table(project.storage, CERTIFICATES).collect()
    assert table.select("records", pl.col("remains").list.len()).rows() == [(2, 0)]
    assert dg.DagsterRunStatus.FAILURE in {run.status for run in instance.get_runs()}
