"""No engine package changes without a decision about its version."""

import json
import sys

import pytest
from architecture.versions import RECORD, ROOT, digest, main, modules, packages, state, undecided

CODE = '''\
"""What this module contains."""


def keep(text):
    """Whether a text stays."""
    return len(text) > 3  # short ones go
'''


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "resources" / "quality"
    folder.mkdir(parents=True)
    (folder / "rules.py").write_text(CODE)
    (folder / "version.py").write_text('"""Its version."""\n\nVERSION = "1"\n')
    return folder


@pytest.fixture
def record(tmp_path, package, monkeypatch):
    """Runs the command in a tree of one package, and returns what it recorded."""
    path = tmp_path / "versions.json"

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["versions.py", *arguments])
        main(tmp_path, path)
        return json.loads(path.read_text())

    run()
    return run


def edit(package, old, new, name="rules.py"):
    path = package / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_the_code_of_every_engine_package_is_recorded_under_its_version():
    recorded, now = json.loads(RECORD.read_text()), state(ROOT)
    assert undecided(recorded, now) == [], "make versions tells what to decide"
    assert recorded == now, "make versions"


def test_every_engine_package_stands_under_a_version():
    versioned = {path.parent for package in packages(ROOT).values() for path in modules(package, ROOT)}
    wings = [ROOT / "resources" / name for name in ("data", "models", "governance", "planning")]
    engines = {path.parent for wing in wings for path in wing.rglob("*.py") if path.name != "__init__.py"}
    # The protocol between the processes and the pruning of files compute nothing; what a model has seen is stored with
    # the model.
    assert {path.relative_to(ROOT).as_posix() for path in engines - versioned} == {
        "resources/governance",
        "resources/models",
        "resources/models/worker",
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("short ones go", "why short ones go"),
        ("Whether a text stays.", "True for a text that stays."),
        ("What this module contains.", "One rule."),
        ("len(text) > 3", "(\n        len(text)\n        > 3\n    )"),
    ],
)
def test_comments_docstrings_and_layout_need_no_decision(package, old, new, tmp_path):
    before = digest(package, tmp_path)
    edit(package, old, new)
    assert digest(package, tmp_path) == before


@pytest.mark.parametrize(
    ("old", "new"), [("> 3", ">= 3"), ("> 3", "> 0"), ("keep", "stays"), ("(text)", "(text=None)")]
)
def test_code_needs_a_decision(package, old, new, tmp_path):
    before = digest(package, tmp_path)
    edit(package, old, new)
    assert digest(package, tmp_path) != before


def test_a_new_file_needs_a_decision_and_one_with_a_version_of_its_own_does_not(package, tmp_path):
    before = digest(package, tmp_path)
    (package / "kernels").mkdir()
    (package / "kernels" / "text.py").write_text("X = 1\n")
    changed = digest(package, tmp_path)
    assert changed != before
    (package / "kernels" / "version.py").write_text('VERSION = "1"\n')
    assert digest(package, tmp_path) == before


def test_code_that_changed_under_its_version_is_not_recorded(package, record, capsys, tmp_path):
    edit(package, "> 3", ">= 3")
    with pytest.raises(SystemExit):
        record()
    assert "make versions SAME=resources/quality" in capsys.readouterr().err


def test_code_that_changed_with_its_version_is_recorded(package, record, tmp_path):
    edit(package, "> 3", ">= 3")
    edit(package, '"1"', '"2"', name="version.py")
    assert record()["resources/quality"] == {"versions": {"VERSION": "2"}, "digest": digest(package, tmp_path)}


def test_code_with_the_same_results_is_recorded_on_somebodys_word(package, record, tmp_path):
    edit(package, "len(text) > 3", "3 < len(text)")
    assert record("--same", "resources/quality")["resources/quality"]["digest"] == digest(package, tmp_path)
