"""Secrets and personal data are planted in many places; no place that shows or stores messages has any of them."""

import base64
import os
import subprocess
import sys
from urllib.parse import quote

import pytest
from support.leaks import LAST, PLACES, VARIABLES, mark_of


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Where what is shown or stored after all places were gone through: output, Dagster's files, the webhook."""
    folder = tmp_path_factory.mktemp("leaks") / "root"
    variables = {variable: mark_of(name) for name, variable in VARIABLES.items()}
    program = subprocess.run(
        [sys.executable, "-W", "always", "-m", "support.leaks", str(folder)],
        env={**os.environ, **variables, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=False,
    )
    assert program.returncode == 1, program.stderr.decode()[-3000:]
    assert (folder / "ended").exists(), program.stderr.decode()[-3000:]
    stored = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    content = [name for name in stored if name.startswith("places/") and "/arrivals/" not in name]
    for name in content:
        del stored[name]
    return {"standard output": program.stdout, "standard error": program.stderr, **stored}


def forms(mark):
    """A mark as it may be stored."""
    return {mark.encode(), quote(mark).encode(), base64.b64encode(f"ann:{mark}".encode())[8:-4]}


def test_there_are_enough_places():
    assert len(PLACES) >= 60


@pytest.mark.parametrize("name", [*PLACES, "the error that ends a process"])
def test_what_is_planted_is_neither_shown_nor_stored(shown, name):
    planted = forms(mark_of(name) if name in PLACES else LAST)
    assert [where for where, found in shown.items() if any(form in found for form in planted)] == []


def test_what_goes_wrong_is_still_told(shown):
    said = b"".join(shown.values()).decode(errors="replace")
    for part in (
        *(
            "ftp://***@127.0.0.1:1/in",
            "is no kind of store",
            "column 1",
            "planted/0a",
            "line 2",
            "the database refused",
        ),
        *("holds a password, token or key in sources.0.path", "library", "ftp://***@host.example/a.csv?***"),
    ):
        assert part in said, part
    ended = shown["ended"].decode().splitlines()
    for name in ("the tags and the configuration of a run", "metadata, descriptions and checks", "a warning"):
        assert name in ended
    for where in ("posted", "standard error", "standard output"):
        assert shown[where], where
