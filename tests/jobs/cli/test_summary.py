import pytest

from fineline.jobs.cli.summary import summary
from fineline.resources.planning.plan import Task
from fineline.resources.project import current_project


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("FINELINE_HOME", str(tmp_path / "home"))
    (tmp_path / "recipe.yaml").write_text("name: small\nsources: [{name: docs, kind: python_docs}]\n")
    return current_project(str(tmp_path / "recipe.yaml"))


def test_what_waits_is_told_apart_from_what_is_up_to_date(project):
    skipped = [
        Task("splits", None, None, missing=False),
        Task("sft_model", None, None, missing=True, waits="retrain_decision: wait: training rows: 3 new (≥ 10)"),
    ]
    text = summary(project, [], skipped, seconds=2)
    assert "All 1 assets are up to date: nothing had changed. Checking took 2 s" in text
    assert "sft_model for retrain_decision: wait: training rows: 3 new (≥ 10)" in text


def test_what_was_made_is_counted(project):
    text = summary(project, [Task("splits", None, "not made yet", missing=True)], [], seconds=2)
    assert "Made 1 assets in 2 s." in text
    assert "waiting" not in text
