"""A hostile inbox beside good files: the good rows are in the sets, and each bad file is named with its reason."""

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress

import psutil
import pytest
from support.hostile import GOOD, GOOD_ROWS, write_good, write_hostile

from fineline.resources.core.presentation.inert import inert
from fineline.resources.core.storage.tables import scan_table
from fineline.resources.data.ingestion.registry import registry_of
from fineline.resources.project import current_project

RECIPE = """\
name: inbox
sources: [{name: mail, kind: files, path: in, licence: MIT}]
scrub: {canaries_per_entity: 4, minimum_recall: 0.5}
quality: {minimum_words: null, maximum_words: null}
"""
GIB = 2**30


def run(folder):
    """A run of the command line: what it said, its seconds, and the most memory of one process."""
    (folder / "recipe.yaml").write_text(RECIPE)
    command = [sys.executable, "-m", "fineline.jobs.cli.main", "run", "--recipe", str(folder / "recipe.yaml")]
    environment = {**os.environ, "FINELINE_HOME": str(folder / "home")}
    started, peak = time.monotonic(), 0
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    tree = psutil.Process(process.pid)

    def watch():
        nonlocal peak
        while process.poll() is None:
            with suppress(psutil.Error):
                peak = max([peak, *(each.memory_info().rss for each in [tree, *tree.children(recursive=True)])])
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    process.wait()
    watcher.join()
    return (folder / "log").read_text(), time.monotonic() - started, peak


def stored(folder):
    project = current_project(str(folder / "recipe.yaml"))
    return project.storage


@pytest.mark.rare
@pytest.mark.timeout(1800)
def test_good_rows_are_in_the_sets_and_each_bad_file_is_named(tmp_path, monkeypatch):
    plain, hostile = tmp_path / "plain", tmp_path / "hostile"
    write_good(plain / "in")
    write_good(hostile / "in")
    bad = write_hostile(hostile / "in")
    assert len(bad) >= 200
    _, seconds_plain, _ = run(plain)
    said, seconds, peak = run(hostile)
    print(f"{len(bad)} files; {seconds_plain:.0f} s for the good ones, {seconds:.0f} s beside; {peak >> 20} MiB")
    (tmp_path / "said").write_text(said)
    kept = {}
    for folder in (plain, hostile):
        monkeypatch.setenv("FINELINE_HOME", str(folder / "home"))
        storage = stored(folder)
        kept[folder] = set(scan_table(storage, "record_ledger").filter(fate="kept").collect()["record_id"])
    assert len(kept[plain]) > GOOD * GOOD_ROWS // 4
    assert kept[plain] - kept[hostile] == set()
    batches = {batch.name: key for key, batch in registry_of(storage).sources["mail"].batches.items()}
    silent = []
    for name in bad:
        shown = name.encode(errors="backslashreplace").decode()
        manifest = storage.manifest("raw_corpus", batches.get(shown, "mail/none"))
        if f"mail/{inert(shown)}" not in said and not (manifest and manifest.rows_in):
            silent.append(shown)
    assert silent == []
    assert not any(secret in said for secret in ["hunter2", "Ann Carter", "Traceback", "\x1b"])
    assert peak < 2 * GIB
    assert seconds < 2 * seconds_plain
