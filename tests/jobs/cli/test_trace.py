import io
import json
import os
import subprocess
import sys

import pytest
from support.traced_storage import HELD_OUT, KEPT, SECOND, SIMILAR, fill

from fineline.jobs.cli import main as cli
from fineline.resources.core.storage.store import Storage
from fineline.resources.data.ingestion.registry import Arrival, SourceState, opened
from fineline.resources.models import exposure

RECIPE = "name: notes\nsources: [{name: notes, kind: files, path: notes, licence: CC0-1.0}]\n"


@pytest.fixture
def home(tmp_path):
    home = tmp_path
    (home / "recipe.yaml").write_text(RECIPE)
    storage = Storage(home / "notes")
    fill(storage)
    with opened(storage) as registry:
        second = Arrival(name="second.jsonl", name_hash="", content="", first_seen=0.0)
        registry.sources["notes"] = SourceState(origin="", batches={SECOND: second})
    return home


@pytest.fixture
def fineline(home, monkeypatch, capsys):
    """Runs a command; gives its exit code and what it printed."""
    monkeypatch.setenv("FINELINE_HOME", str(home))
    monkeypatch.setenv("FINELINE_RECIPE", str(home / "recipe.yaml"))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["fineline", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def test_a_record_is_told_in_a_line_and_then_place_by_place(fineline):
    code, output = fineline("trace", SIMILAR["record_id"])
    assert code == 0
    first, *places = output.splitlines()
    assert first == (f"{SIMILAR['record_id']}: dropped by near_duplicate in duplicate_clusters/drops; seen by no model")
    assert "  scrubbed_corpus[notes/second.jsonl]  data       kind chat, replacements 2" in places
    assert f"cluster {KEPT['record_id']}, representative no, reason near_duplicate, similarity 0.875" in output
    assert "seen by sft_model, release" in fineline("trace", KEPT["record_id"])[1]


def test_a_trace_is_json_on_request(fineline):
    code, output = fineline("trace", HELD_OUT["record_id"], "--json")
    answer = json.loads(output)
    assert code == 0
    assert answer["found"]
    assert {"split": "test"} in [step["facts"] for step in answer["steps"]]
    answer = json.loads(fineline("trace", "--text", "Ada Lovelace", "--json")[1])
    assert answer["records"] == 2
    assert {sighting["asset"] for sighting in answer["seen_by"]} == {"sft_model", "release"}


def test_a_text_is_looked_for_and_not_repeated(fineline, monkeypatch):
    code, output = fineline("trace", "--text", "ADA LOVELACE")
    assert code == 0
    assert "2 records of the raw corpus mention this text" in output
    assert "lovelace" not in output.lower()
    monkeypatch.setattr(sys, "stdin", io.StringIO("ada lovelace\n"))
    assert fineline("trace", "--text", "-") == (code, output)


def test_what_is_not_there_ends_with_1(fineline):
    assert fineline("trace", "0" * 32) == (1, f"{'0' * 32}: nothing is stored about this record\n")
    assert fineline("trace", "--text", "nobody") == (1, "No record of the raw corpus mentions this text.\n")


def test_a_name_in_place_of_a_record_id_is_refused_and_not_repeated(fineline):
    code, output = fineline("trace", "Lovelace")
    assert code == 2
    assert "to look for a text, use --text" in output
    assert "Lovelace" not in output


def test_a_text_without_words_ends_in_a_message(fineline):
    assert fineline("trace", "--text", "…")[0] == "fineline: a text to look for needs letters or digits"


def test_the_models_are_listed_with_their_flags(fineline, home):
    code, output = fineline("models")
    assert code == 0
    assert [line.split()[0] for line in output.splitlines()] == ["model", "sft_model", "release"]
    assert output.count("none") == 2
    storage = Storage(home / "notes")
    exposure.mark_forgotten(storage, {KEPT["record_id"]: "f" * 32}, "R-17")
    assert fineline("models")[1].count("saw 1 record forgotten by request R-17") == 2


def test_a_trace_starts_fast_because_it_loads_neither_dagster_nor_contracts_nor_torch(home):
    heavy = ("dagster", "torch", "spacy", "dataframely", "pyarrow")
    program = (
        "import sys; from fineline.jobs.cli import main as cli\n"
        "try: cli.main()\n"
        f"finally: print('loaded', [name for name in {heavy} if name in sys.modules])"
    )
    line = [sys.executable, "-c", program, "trace", HELD_OUT["record_id"], "--recipe", str(home / "recipe.yaml")]
    environment = {**os.environ, "FINELINE_HOME": str(home)}
    ended = subprocess.run(line, env=environment, capture_output=True, text=True, check=True)
    assert "kept in splits/test" in ended.stdout
    assert "loaded []" in ended.stdout
