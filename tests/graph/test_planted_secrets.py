"""A whole run, a trace and a forgetting with planted secrets: nothing but tables and quarantine holds any of them."""

import json
import os
import sqlite3
import subprocess
import sys

import pytest

pytestmark = pytest.mark.rare

PASSWORD, SIGNATURE, TOKEN, KEY = "Zqpass0word", "Zqsig0nature", "Zqhub0token", "Zqkey0" * 6
PERSON, COLUMN, HEADER, FILE = "Zqperson", "Zqcolumn", "Zqheader", "Zqfile"
RECIPE = """\
name: small
maximum_quarantine: 0.9
sources:
  - {name: letters, kind: files, path: letters, licence: CC0-1.0}
  - {name: shop, kind: sql, uri_variable: SHOP, query: SELECT text FROM texts, licence: CC0-1.0}
scrub: {workers: 1, canaries_per_entity: 2, minimum_recall: 0.5, entities: [EMAIL_ADDRESS]}
alerts: {webhook_variable: HOOK}
"""
OUT_OF_REACH = """\
  - {name: far, kind: files, path: 'ftp://ann:$FTP_WORD@127.0.0.1:1/in?sig=${FTP_SIGNATURE}', licence: CC0-1.0}
  - {name: refused, kind: sql, uri_variable: REFUSED, query: SELECT text FROM texts, licence: CC0-1.0}
scrub:"""
# Where content belongs, and who may read it.
CONTENT = ("assets/raw_corpus/", "assets/quarantine/", "cache/")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a recipe and its sources."""
    folder = tmp_path_factory.mktemp("planted")
    (folder / "letters").mkdir()
    rows = [{"text": f"The lamp number {n} stands by the door of the house at the sea."} for n in range(20)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    broken = f'{{"text": {PERSON}}}\n' + json.dumps({"text": {PERSON: PERSON}}) + "\n"
    for name, content in {
        "good.jsonl": lines + broken,
        f"{FILE}.jsonl": json.dumps({"text": "Another lamp stands there as well, they say of it."}) + "\n",
        "other.jsonl": json.dumps({COLUMN: "a", "more": "b"}) + "\n",
        "plain.csv": f"{HEADER},{HEADER}\na,b\n",
        f"{FILE}.parquet": f"PAR1{PERSON}PAR1",
    }.items():
        (folder / "letters" / name).write_text(content)
    with sqlite3.connect(folder / "shop.db") as database:
        database.execute("CREATE TABLE texts (text)")
        database.execute("INSERT INTO texts VALUES ('A chair stands at the window of the house by the sea.'), (?)", [7])
    (folder / "small.yaml").write_text(RECIPE)
    (folder / "far.yaml").write_text(RECIPE.replace("scrub:", OUT_OF_REACH))
    return folder


@pytest.fixture(scope="module")
def said(folder):
    """What the commands of a project said, one after the other."""
    secrets = {
        "FTP_WORD": PASSWORD,
        "FTP_SIGNATURE": SIGNATURE,
        "HF_TOKEN": TOKEN,
        "FINELINE_PSEUDONYM_KEY": KEY,
        "SHOP": f"sqlite:///{folder}/shop.db",
        "REFUSED": f"postgresql+psycopg2://ann:{PASSWORD}@127.0.0.1:1/db",
        "HOOK": f"http://127.0.0.1:1/{TOKEN}",
        "FINELINE_HOME": str(folder / "home"),
        "FINELINE_RECIPE": str(folder / "small.yaml"),
    }
    found = {}
    for command in (
        *(f"run --recipe {folder}/far.yaml", f"plan --recipe {folder}/far.yaml", "run", "plan", "models"),
        *("trace --text lamp", "forget --request R-1 --reason asked --text Another --yes", "run"),
    ):
        ended = subprocess.run(
            [sys.executable, "-m", "fineline.jobs.cli.main", *command.split()],
            env={**os.environ, **secrets, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=False,
        )
        found[f"{len(found)}. {command.partition(' ')[0]}"] = ended.stdout + ended.stderr
    return found


@pytest.mark.parametrize("secret", [PASSWORD, SIGNATURE, TOKEN, KEY, PERSON, COLUMN, HEADER, FILE])
def test_what_is_planted_is_where_content_belongs_alone(folder, said, secret):
    root = folder / "home" / "small"
    stored = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert len(stored) > 20
    holds = {name for name, found in {**stored, **said}.items() if secret.encode() in found}
    # People know a file by its name; it is stored in the registry alone.
    allowed = {"arrivals/registry.json", *said} if secret == FILE else set()
    assert [name for name in sorted(holds - allowed) if not name.startswith(CONTENT)] == []


def test_what_went_wrong_was_told(said):
    everything = b"\n".join(said.values())
    for part in (
        *(b"cannot read ftp://***@127.0.0.1:1/in", b"columns 1 and 2 of the header", b"its columns fit none"),
        *(b"is not a readable Parquet file", b"nothing remains"),
    ):
        assert part in everything, everything.decode()
