import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
from support.batches import SECRET, key
from support.corpus import write_corpus
from support.places import asset_folder

from fineline.jobs.cli import main
from fineline.resources.core.storage.store import Storage

# The batches are made in the order of their keys.
LAST = max(key("colours/first.jsonl"), key("colours/second.jsonl"))
RECIPE = """\
name: data_only
maximum_quarantine: 0.05
sources:
  - {name: colours, kind: files, path: corpus, licence: CC0-1.0, columns: {prompt: question, completion: answer}}
scrub: {workers: 1, canaries_per_entity: 2, minimum_recall: 0.5}
"""


@pytest.fixture
def folder(tmp_path):
    write_corpus(tmp_path / "corpus")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return tmp_path


def start(folder, command="run", *arguments):
    environment = {**os.environ, "FINELINE_HOME": str(folder / "home"), "FINELINE_PSEUDONYM_KEY": SECRET}
    line = [
        sys.executable,
        "-m",
        "fineline.jobs.cli.main",
        command,
        "--recipe",
        str(folder / "recipe.yaml"),
        *arguments,
    ]
    return subprocess.Popen(
        line, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def run(folder, command="run", *arguments):
    with start(folder, command, *arguments) as process:
        output = process.communicate()[0]
    return process.returncode, output


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)


def corpus_manifest(folder, asset):
    storage = Storage(folder / "home" / "data_only")
    return asset_folder(storage, asset, LAST) / "manifest.json"


def test_a_run_ends_with_what_was_built_and_a_second_one_says_what_it_skipped(folder):
    code, output = run(folder)
    assert code == 0, output
    assert "Made " in output
    assert "404  came in" in output
    code, output = run(folder)
    assert code == 0
    assert "nothing had changed" in output
    assert "scrubbed_corpus[colours/first.jsonl]" in output


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_run_goes_on_from_what_it_completed(folder, how):
    process = start(folder)
    wait_for(corpus_manifest(folder, "raw_corpus"), process)
    process.send_signal(how)
    output = process.communicate()[0]
    assert process.returncode != 0
    if how == signal.SIGINT:
        assert "What is complete is kept: run the same command again" in output
    code, output = run(folder)
    assert code == 0, output
    assert "make  raw_corpus" not in output, "what was complete is not made again"
    if how == signal.SIGKILL:
        assert "was interrupted; going on from what it completed" in output
    assert "404  came in" in output


def test_two_runs_of_one_recipe_do_not_get_in_each_others_way(folder):
    process = start(folder)
    wait_for(folder / "home" / "data_only" / "locks" / "runner.lock", process)
    time.sleep(1.0)
    code, output = run(folder)
    process.kill()
    process.communicate()
    assert code != 0
    assert re.search(r"fineline run \(process \d+ on .*\) since .* UTC is at work in", output)


@pytest.mark.outcome("killed", "a full disk that Dagster or another library meets", "an error with what to do")
def test_a_full_disk_that_a_library_meets_ends_in_words(folder, monkeypatch):
    def fill(_):
        with closing(sqlite3.connect(folder / "full.db")) as database:
            database.execute("PRAGMA max_page_count = 1")
            try:
                database.execute("CREATE TABLE events (number)")
            except sqlite3.OperationalError as error:
                raise RuntimeError("no event can be written") from error

    monkeypatch.setattr(main, "_schema", fill)
    monkeypatch.setattr(sys, "argv", ["fineline", "schema", "--recipe", str(folder / "recipe.yaml")])
    monkeypatch.setenv("FINELINE_RECIPE", "")
    with pytest.raises(SystemExit, match=r"fineline: the disk is full: writing to .* Make room there"):
        main.main()


def test_a_plan_says_what_would_be_made_and_makes_nothing(folder):
    code, output = run(folder, "plan")
    assert code == 0, output
    assert "make  raw_corpus[colours/first.jsonl]: not made yet" in output
    stored = [path.relative_to(folder / "home").parts[1:] for path in (folder / "home").rglob("*") if path.is_file()]
    kept = {parts[0] for parts in stored} - {"locks"}
    assert kept == {"arrivals"}, "what was found in the sources is remembered, no more"


def test_a_plan_of_empty_folders_ends_in_a_message_and_no_traceback(folder):
    for path in (folder / "corpus").iterdir():
        path.unlink()
    code, output = run(folder, "plan")
    assert code == 1
    assert "put files into the folders of the sources" in output
    assert "Traceback" not in output


def test_the_schema_is_json(folder):
    assert "sources" in json.loads(run(folder, "schema")[1])["properties"]


def change(folder, old, new):
    path = folder / "recipe.yaml"
    path.write_text(path.read_text().replace(old, new))


def test_an_unknown_key_ends_in_a_message_and_no_traceback(folder):
    change(folder, "scrub: {", "scrub: {recal: 1, ")
    code, output = run(folder)
    assert code == 1
    assert "scrub.recal: unknown key" in output
    assert "Traceback" not in output


def test_a_missing_source_is_told_before_any_work(folder):
    change(folder, "path: corpus", "path: nowhere")
    code, output = run(folder)
    assert code == 2
    assert "source colours:" in output
    assert "nowhere" in output
    assert "Traceback" not in output


def test_an_empty_source_stops_with_a_message(folder):
    for path in (folder / "corpus").iterdir():
        path.write_text("")
    code, output = run(folder)
    assert code != 0
    assert "holds no rows" in output


def test_a_model_folder_without_a_tokenizer_is_told_before_any_work(folder):
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text("{}")
    (folder / "model" / "model.safetensors").write_bytes(b"")
    change(folder, "scrub:", "base_model: {kind: folder, path: model}\ndatasets: {sft: {}}\nscrub:")
    code, output = run(folder)
    assert code == 2
    assert "No tokenizer in" in output


def test_too_many_bad_rows_stop_the_run_and_a_raised_limit_lets_it_go_on(folder):
    change(folder, "maximum_quarantine: 0.05", "maximum_quarantine: 0.0")
    code, output = run(folder)
    assert code != 0
    assert "raw_corpus: check under_contract failed" in output
    change(folder, "maximum_quarantine: 0.0", "maximum_quarantine: 0.05")
    assert run(folder)[0] == 0


def test_a_storage_root_that_cannot_be_written_is_told(folder):
    (folder / "home").write_text("a file in its place")
    code, output = run(folder)
    assert code == 2
    assert "FINELINE_HOME=" in output
