"""A file that is named after a person: forgetting the person takes the name out of everything that is stored."""

import json
import os
import sqlite3

import dagster as dg
import pytest

from fineline.jobs.cli.forget import carry_out, certificate
from fineline.jobs.definitions import build
from fineline.jobs.runner import make, prepare_home
from fineline.resources.governance.forgetting.request import Request, put
from fineline.resources.project import current_project

RECIPE = """\
name: small
maximum_quarantine: 0.5
sources: [{name: letters, kind: files, path: letters, licence: CC0-1.0}]
scrub: {workers: 1, canaries_per_entity: 2, minimum_recall: 0.5, entities: [EMAIL_ADDRESS]}
"""
FILE, FORMS = "Margaret Thompson (2).jsonl", ("margaret", "thompson")


def rows(subject):
    return [
        {"text": f"The {subject} number {number} stands by the door of the house at the sea."} for number in range(9)
    ]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A project and its Dagster instance, in which two files were read; a row of one of them is in quarantine."""
    folder = tmp_path_factory.mktemp("names")
    (folder / "letters").mkdir()
    (folder / "letters" / FILE).write_text("".join(json.dumps(row) + "\n" for row in rows("lamp")) + "no JSON\n")
    (folder / "letters" / "other.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows("chair")))
    (folder / "small.yaml").write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FINELINE_HOME", str(folder / "home"))
        patch.delenv("DAGSTER_HOME", raising=False)
        project = current_project(str(folder / "small.yaml"))
        prepare_home(project)
        with dg.DagsterInstance.get() as instance:
            make(project, build(project.recipe_path), instance)
            yield project, instance
        os.environ.pop("DAGSTER_HOME", None)


def named(root):
    """The files under a folder that name the person: in their path, their bytes, or a cell of a database."""
    found = []
    for path in (path for path in root.rglob("*") if path.is_file()):
        said = [str(path.relative_to(root)).encode(), path.read_bytes()]
        if said[1].startswith(b"SQLite format 3"):
            with sqlite3.connect(path) as database:
                said += [line.encode(errors="replace") for line in database.iterdump()]
        if any(form.encode() in each.lower() for each in said for form in FORMS):
            found.append(path.relative_to(root).as_posix())
    return found


def test_before_that_only_the_registry_names_the_person(small):
    project, _ = small
    assert named(project.storage.local.folder) == ["arrivals/registry.json"]


def test_after_it_nothing_under_the_root_or_in_dagsters_storage_does(small):
    project, instance = small
    put(project.storage, Request(request_id="R-17", reason="erasure request", texts=["Margaret Thompson"]))
    carry_out(build(project.recipe_path), instance, project, "R-17")
    assert "nothing remains" in certificate(project.storage, "R-17")
    assert named(project.storage.local.folder) == []
    assert "argaret" not in str([entry for run in instance.get_runs() for entry in instance.all_logs(run.run_id)])
    assert "argaret" not in str(instance.get_dynamic_partitions("batches"))


def test_and_later_runs_read_the_file_without_naming_it(small):
    project, instance = small
    path = project.recipe.sources[0].path / FILE
    path.write_text(path.read_text() + json.dumps({"text": "Another lamp stands there as well, they say."}) + "\n")
    made, _ = make(project, build(project.recipe_path), instance)
    assert "raw_corpus" in {task.asset for task in made}
    assert named(project.storage.local.folder) == []
