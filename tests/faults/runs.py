"""Runs of the command line in processes of their own, whose processes can be killed."""

import json
import subprocess
import sys
from contextlib import suppress

import psutil
from faults.service import environment_in

# The data half, of one record.
RECIPE = """\
name: small
sources: [{name: notes, kind: files, path: notes/note-0.md, licence: CC0-1.0}]
scrub: {workers: 1, ner: spacy, canaries_per_entity: 2, minimum_recall: 0.3}
"""


class Run:
    """A run of a recipe in a process of its own, whose processes can be killed."""

    def __init__(self, recipe, folder):
        self.root = folder / "home" / "small"
        folder.mkdir(exist_ok=True)
        self.log = folder / "log"
        self.begun = self.log.stat().st_size if self.log.exists() else 0
        line = [sys.executable, "-m", "fineline.jobs.cli.main", "run", "--recipe", str(recipe)]
        environment = environment_in(folder, HF_HUB_OFFLINE="1")
        with self.log.open("a") as log:
            self.process = psutil.Popen(
                line, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def ends_within(self, seconds):
        with suppress(subprocess.TimeoutExpired, psutil.TimeoutExpired):
            self.process.wait(seconds)
            return True
        return False

    def kill(self, victim, chosen):
        """kill -9; returns whether the run ended by it. Nothing that it started may outlive the run."""
        below = self.process.children(recursive=True)
        if victim == "child" and below:
            with suppress(psutil.NoSuchProcess):
                chosen.choice(below).kill()
            return False
        for each in [self.process, *(below if victim == "all" else [])]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self.process.wait(30)
        _, alive = psutil.wait_procs(below, timeout=30)
        assert alive == [], alive
        return True

    def words(self):
        return self.log.read_text()[self.begun :]

    def ended(self, *allowed):
        """That the run ended with one of these exit codes, and in words."""
        assert self.process.returncode in allowed, (self.process.returncode, self.words()[-6000:])
        assert "Traceback" not in self.words(), self.words()[-6000:]
        return self.process.returncode == 0


def versions(root):
    """The data version of each table and folder, from the manifests.

    A release is known by the hashes of its files: its card tells how many seconds each training took.
    """
    manifests = [json.loads(path.read_text()) for path in root.glob("assets/**/manifest.json")]
    found = {(each["asset"], each["batch"]): each["data_version"] for each in manifests}
    for sums in root.glob("assets/release/content-*/release/SHA256SUMS"):
        found["release", None] = [line for line in sums.read_text().splitlines() if "README.md" not in line]
    return found


def finish(recipe, folder):
    """What is stored after another run, which must succeed, and its words."""
    run = Run(recipe, folder)
    run.process.wait(1800)
    run.ended(0)
    return versions(run.root), run.words()
