"""The disk fills up at ten moments of a run: each time it ends in words, and goes on when there is room."""

import os
import subprocess
import time

import pytest
from faults.runs import RECIPE, Run, finish, versions
from faults.test_storage_faults import mounted
from support.corpus import write_corpus

pytestmark = [pytest.mark.rare, pytest.mark.timeout(1800)]

MOMENTS = 10
# As much as is asked for at the start of a run.
ROOM = 4 * 2**30


def resize(disk, leave):
    """Give a disk a size that leaves some bytes free; returns whether that could be done."""
    now = os.statvfs(disk)
    size = (now.f_blocks - now.f_bfree) * now.f_frsize + leave
    done = subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], capture_output=True, check=False)
    return done.returncode == 0


def test_wherever_the_disk_is_full_a_run_ends_in_words_and_goes_on_when_there_is_room(tmp_path):
    write_corpus(tmp_path / "corpus")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE)
    whole, _ = finish(recipe, tmp_path / "undisturbed")
    disk = tmp_path / "disk"
    with mounted(disk, ROOM):
        for moment in range(MOMENTS):
            run = Run(recipe, disk)
            # The first moment is Dagster's own: its databases are made. Each later one is a table further.
            while not any(run.root.glob("dagster/*")) or len(versions(run.root)) < moment:
                assert run.process.poll() is None, run.words()
                time.sleep(0.005)
            while not resize(disk, leave=4096 * moment):
                time.sleep(0.005)
            assert run.process.wait(300) == 1, run.words()
            assert "Traceback" not in run.words(), (moment, run.words())
            assert "the disk is full" in run.words(), (moment, run.words())
            assert resize(disk, leave=ROOM)
        assert finish(recipe, disk)[0] == whole
