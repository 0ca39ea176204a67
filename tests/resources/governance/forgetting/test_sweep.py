import json
import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import polars as pl
import pytest
from support.places import asset_folder

from fineline.resources.core.storage.disk import DiskRoot
from fineline.resources.core.storage.root import Entry
from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.forgetting.sweep import sweep

SOUGHT = ["jörg öztürk"]
PERSON = "Jörg Öztürk"
WORDS = [f"{number:x}" for number in range(0, 2**20, 299)]


@pytest.fixture
def storage(tmp_path):
    (tmp_path / "root" / "assets").mkdir(parents=True)
    return Storage(tmp_path / "root")


def nested_parquet(path):
    rows = pl.DataFrame({"n": [1], "messages": [[{"role": "user", "content": f"by {PERSON}"}]]})
    rows.write_parquet(path.with_suffix(".parquet"), compression="zstd")


def escaped_json(path):
    path.with_suffix(".jsonl").write_text('{"a": 1}\n' + json.dumps({"by": f"x\n{PERSON}"}) + "\n")


def log(path):
    path.with_suffix(".log").write_bytes(b"\xff\xfe" + f"2026 INFO {PERSON.upper()}!\n".encode())


def far_into_a_file(path):
    # Across the end of a part of the file that is read at once.
    path.write_bytes(b"." * (2**22 - 4) + f" {PERSON} ".encode() + b"." * 100)


def cell_of_a_database(path):
    with closing(sqlite3.connect(path.with_suffix(".db"))) as database:
        database.execute("CREATE TABLE logs (id INTEGER PRIMARY KEY, event TEXT)")
        # The text lies across the end of a page.
        database.executemany(
            "INSERT INTO logs (event) VALUES (?)", [("x" * n + f" {PERSON}",) for n in (9, 4070, 8150)]
        )
        database.commit()


def deleted_row_of_a_database(path):
    cell_of_a_database(path)
    with closing(sqlite3.connect(path.with_suffix(".db"))) as database:
        database.execute("PRAGMA secure_delete = OFF")
        database.execute("DELETE FROM logs")
        database.commit()


@pytest.mark.parametrize(
    "write", [nested_parquet, escaped_json, log, far_into_a_file, cell_of_a_database, deleted_row_of_a_database]
)
def test_it_is_found_in_every_kind_of_file(storage, write):
    write(storage.local.folder / "assets" / "file")
    (storage.local.folder / "assets" / "other.json").write_text('{"by": "nobody"}')
    swept = sweep(storage, SOUGHT)
    assert swept.files == 2
    assert [name.partition(".")[0] for name in swept.remains] == ["assets/file"]


def test_a_table_that_cannot_be_read_is_told(storage):
    (storage.local.folder / "assets" / "data.parquet").write_bytes(b"PAR1 and no more")
    assert sweep(storage, SOUGHT).remains == ["assets/data.parquet"]


def test_an_unfinished_table_is_told_by_how_it_begins(storage):
    whole = storage.local.folder / "assets" / "data.parquet"
    said = [" ".join(random.Random(number).choices(WORDS, k=60)) for number in range(400)]
    said[250] = f"of {PERSON} {said[250]}"
    pl.DataFrame({"text": said}).write_parquet(whole, compression="zstd", statistics=False)
    (storage.local.folder / "assets" / ".data.0a1b").write_bytes(whole.read_bytes()[:-8])
    whole.rename(storage.local.folder / "assets" / ".data.2c3d")
    assert sweep(storage, SOUGHT).remains == ["assets/.data.0a1b", "assets/.data.2c3d"]


def test_a_file_that_is_named_so_is_told_without_its_name(storage):
    folder = storage.local.folder / "assets" / "batch=mail%2FJ%C3%B6rg%20%C3%96zt%C3%BCrk"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    (told,) = sweep(storage, SOUGHT).remains
    assert "1 files whose name contains it" in told


@pytest.mark.parametrize("name", ["Jörg Öztürk", "letter.Jörg Öztürk", "J. Öztürk", "Ozturk"])
def test_the_kinds_of_files_say_nothing_of_their_names(storage, name):
    (storage.local.folder / "assets" / name).write_text("nothing")
    (storage.local.folder / "assets" / "data.json").write_text("{}")
    searched = sweep(storage, SOUGHT).searched
    assert "1 files of kind json" in searched
    assert not any("zt" in each or "rk" in each for each in searched)


def test_requests_weights_and_the_vocabulary_of_the_base_model_are_no_finding(storage):
    for name in ("requests/R-17.json", "assets/model/model.safetensors", "assets/base_model/content/tokenizer.json"):
        path = storage.local.folder / name
        path.parent.mkdir(parents=True)
        path.write_text(PERSON)
    # A model that was trained from it has the same tokenizer.
    (storage.local.folder / "assets" / "model" / "tokenizer.json").write_text(PERSON)
    assert sweep(storage, SOUGHT).remains == []
    (storage.local.folder / "assets" / "model" / "README.md").write_text(f"{PERSON} ")
    assert sweep(storage, SOUGHT).remains == ["assets/model/README.md"]


def test_a_file_that_goes_while_it_is_looked_at_holds_nothing(storage, monkeypatch):
    vocabulary = asset_folder(storage, "base_model") / "vocabulary.txt"
    vocabulary.parent.mkdir()
    vocabulary.write_text("words")
    listed, gone = DiskRoot.list, Entry("dagster/index.db-shm", 1, datetime.now(UTC))
    monkeypatch.setattr(DiskRoot, "list", lambda root, folder="": [*listed(root, folder), gone])
    assert sweep(storage, SOUGHT).remains == []
