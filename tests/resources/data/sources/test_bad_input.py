"""What is broken gives a quarantined record or an error that names file and line, in bounded memory."""

import gzip
import io
import json
import os
import subprocess
import sys

import polars as pl
import pyarrow.parquet as pq
import pytest
from support.reading import list_batches, read_only_batch, read_parts

from fineline.resources.core.recipe.sources import Columns, Files
from fineline.resources.data.formats.compression import ALWAYS_ALLOWED, MAXIMUM_RATIO, open_text
from fineline.resources.data.formats.rows import MAXIMUM_RECORD, SourceError
from fineline.resources.data.formats.text import csv_rows
from fineline.resources.data.ingestion.ingest import ingest
from fineline.resources.data.shapes import fitting

FINE = b'{"text": "fine"}\n'
MIB = 2**20


def files(path, **options):
    return Files(name="corpus", kind="files", licence="CC0-1.0", path=path, **options)


def only(path, **options):
    return read_only_batch(files(path, **options))


def parts_of(path):
    source = files(path)
    [batch] = list_batches(source)
    return list(read_parts(source, "corpus/a.jsonl", batch))


@pytest.fixture
def giant(tmp_path):
    path = tmp_path / "giant.jsonl"
    path.write_bytes(FINE + b'{"text": "' + b"word " * (10 * MIB) + b'"}\n' + FINE.replace(b"fine", b"fine too"))
    return path


@pytest.fixture
def bomb(tmp_path):
    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(300):
            file.write(b"0" * MIB)
    return path


def billion_rows(path):
    """A Parquet file whose footer claims a billion rows; ten are there."""
    pl.DataFrame({"text": [f"text {n}" for n in range(10)]}).write_parquet(path)
    content = path.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    body, footer = content[: -8 - length], content[-8 - length : -8]
    # The row counts are the file's only 64-bit thrift integers (type 6 in a field header) of value 10, as zigzag 20.
    claim, value = b"", 2 * 10**9
    while value:
        claim += bytes([(value & 0x7F) | (0x80 if value > 0x7F else 0)])
        value >>= 7
    assert footer.count(b"\x16\x14") > 1
    lie = footer.replace(b"\x16\x14", b"\x16" + claim)
    path.write_bytes(body + lie + len(lie).to_bytes(4, "little") + b"PAR1")
    assert pq.ParquetFile(path).metadata.num_rows == 10**9


def test_a_record_of_50_mb_is_quarantined_and_its_neighbours_are_read(giant):
    rows = only(giant)
    assert [message["content"] for [message] in rows.records["completion"]] == ["fine", "fine too"]
    [record] = rows.unreadable.rows(named=True)
    assert (record["location"], record["reason"]) == ("line 2", "is longer than 16 MiB")
    assert len(record["raw"]) == 10_000


def test_records_that_are_too_long_and_differ_only_at_their_end_stay_apart(tmp_path):
    long = b'{"text": "' + b"x" * MAXIMUM_RECORD
    (tmp_path / "a.jsonl").write_bytes(long + b'1"}\n' + long + b'2"}\n' + FINE)
    assert only(tmp_path / "a.jsonl").unreadable["record_id"].n_unique() == 2


@pytest.mark.parametrize("name", ["giant.json", "giant.csv"])
def test_a_giant_field_of_an_array_or_of_csv_is_told_with_its_line(tmp_path, name):
    giant = "x" * (MAXIMUM_RECORD + MIB)
    content = {"json": f'[{{"text": "fine"}},\n{{"text": "{giant}"}}]', "csv": f'text\nfine\n"{giant}"\n'}
    (tmp_path / name).write_text(content[name.rpartition(".")[2]])
    with pytest.raises(SourceError, match=rf"{name} line \d: .*16 Mi|{name} line \d is not readable.*16 MiB"):
        only(tmp_path / name)


@pytest.mark.outcome("reading", "a CSV of one line of any length", "refused at 16 MiB")
def test_a_csv_line_without_an_end_is_refused_before_it_is_in_memory():
    class Endless(io.RawIOBase):
        count = 0

        def readable(self):
            return True

        def readinto(self, buffer):
            self.count += len(buffer)
            buffer[:] = b"x" * len(buffer)
            return len(buffer)

    endless = Endless()
    with pytest.raises(SourceError, match="no line or field may be longer than 16 MiB"):
        list(csv_rows(io.BufferedReader(endless), "mail/1"))
    assert endless.count < 18 * MIB


@pytest.mark.outcome("time", "a table of very many columns", "read or refused at once")
def test_a_header_of_very_many_columns_takes_no_time(tmp_path):
    names = ",".join(f"c{number}" for number in range(300_000))
    (tmp_path / "a.csv").write_text(f"text,{names}\nHello there.\n")
    assert only(tmp_path).records.height == 1


@pytest.mark.outcome(
    "reading",
    "JSON that is nested hundreds of levels deep (`nested-600.jsonl`)",
    "the row goes to quarantine, the others are read",
)
@pytest.mark.parametrize("levels", [450, 900])
def test_a_tool_call_that_is_nested_too_deeply_is_quarantined(tmp_path, levels):
    call = {"name": "look", "arguments": '{"a": ' * levels + "1" + "}" * levels}
    said = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "", "tool_calls": [call]}]
    fine = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"messages": each}) for each in (said, fine)))
    rows = only(tmp_path)
    assert (rows.records.height, rows.unreadable.height) == (1, 1)
    assert "text that is no JSON" in rows.unreadable["reason"][0]


def test_a_giant_line_of_a_text_is_quarantined(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"fine\n" + b"word " * (4 * MIB) + b"\nfine too\n")
    rows = only(tmp_path / "a.txt")
    assert [message["content"] for [message] in rows.records["completion"]] == ["fine", "fine too"]
    assert rows.unreadable["location"].to_list() == ["line 2"]


def test_a_long_text_is_read_in_windows_and_no_word_is_lost(tmp_path):
    paragraphs = [f"Paragraph {n} says what {n} says. " * 20 for n in range(10_000)]
    (tmp_path / "long.txt").write_text("\n\n".join(paragraphs))
    rows = only(tmp_path / "long.txt")
    text = " ".join(message["content"] for [message] in rows.records["completion"])
    assert text.split() == " ".join(paragraphs).split()
    assert json.loads(rows.records["metadata"][-1])["location"] == f"section {rows.records.height}"


@pytest.mark.parametrize("bad", ["caf\xe9", "\xfc" * 5])
def test_a_text_in_another_encoding_is_quarantined_with_the_line(tmp_path, bad):
    (tmp_path / "a.md").write_bytes(b"one\ntwo\n" + bad.encode("latin-1") + b"\n")
    rows = only(tmp_path / "a.md")
    assert rows.records.is_empty()
    byte = 4 if bad.startswith("c") else 1
    assert rows.unreadable.select("location", "reason").rows() == [
        ("lines 1 to 3", f"line 3, byte {byte} is not UTF-8")
    ]


def test_a_csv_record_in_another_encoding_is_quarantined_with_its_line(tmp_path):
    (tmp_path / "a.csv").write_bytes(b'text,n\n"two\nlines",1\ncaf\xe9,2\nfine,3\n')
    rows = only(tmp_path / "a.csv")
    assert rows.records.height == 2
    assert rows.unreadable.select("location", "reason").rows() == [("line 4", "holds bytes that are not UTF-8")]


def test_a_csv_record_with_too_many_fields_is_quarantined_with_its_line(tmp_path):
    (tmp_path / "a.csv").write_text("text,n\nfine,1\none, two, three\nshort\n")
    rows = only(tmp_path / "a.csv")
    assert rows.records.height == 2
    assert rows.unreadable.select("location", "reason").rows() == [("line 3", "has 3 fields, the header 2")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_utf_16_is_told_or_every_line_is_quarantined(tmp_path, encoding):
    (tmp_path / "a.jsonl").write_bytes(FINE.decode().encode(encoding) * 1)
    if encoding == "utf-16":
        with pytest.raises(SourceError, match=r"a\.jsonl is UTF-16, not UTF-8. Change it: iconv"):
            only(tmp_path / "a.jsonl")
    else:
        rows = only(tmp_path / "a.jsonl")
        assert rows.records.is_empty()
        assert not rows.unreadable.is_empty()


@pytest.mark.outcome("reading", "an archive that unpacks to far more than it is", "refused, with the limit")
def test_a_zip_bomb_is_told_with_the_limit(bomb):
    with pytest.raises(SourceError, match=r"bomb\.jsonl\.gz unpacks to more than 100 times its size"):
        only(bomb)


def test_repeated_text_that_packs_a_hundredfold_is_no_bomb():
    packed = gzip.compress((os.urandom(MIB // 100) + bytes(MIB)) * 70, 1)
    assert 50 < 70 * MIB / len(packed) < MAXIMUM_RATIO
    with open_text(io.BytesIO(packed), ".gz", len(packed), "corpus/a.jsonl.gz") as stream:
        read = sum(len(block) for block in iter(lambda: stream.read(MIB), b""))
    assert read > ALWAYS_ALLOWED


def test_a_footer_that_claims_a_billion_rows_is_told(tmp_path):
    billion_rows(tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=r"a\.parquet .*unpacks to more than 100 times"):
        only(tmp_path / "a.parquet")


@pytest.mark.parametrize("cut", [1, 8, 100])
def test_a_half_written_parquet_file_is_told(tmp_path, cut):
    pl.DataFrame({"text": ["a", "b"]}).write_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-cut])
    with pytest.raises(SourceError, match=r"a\.parquet is not a readable Parquet file"):
        only(tmp_path / "a.parquet")


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet", "arrow"])
def test_a_null_in_every_column_is_quarantined(tmp_path, kind):
    frame = pl.DataFrame({"question": ["Why?", None, None], "answer": ["So.", None, "So."], "n": [1, None, None]})
    path = tmp_path / f"a.{kind}"
    match kind:
        case "jsonl":
            frame.write_ndjson(path)
        case "csv":
            frame.write_csv(path)
        case "parquet":
            frame.write_parquet(path)
        case "arrow":
            frame.write_ipc(path)
    rows = only(path, columns=Columns(prompt="question", completion="answer", label="n"))
    assert (rows.records.height, rows.unreadable.height) == (1, 2)


def test_duplicate_ids_of_a_corpus_are_no_identities(tmp_path):
    lines = [{"id": 1, "text": "one"}, {"id": 1, "text": "two"}, {"id": 1, "text": "one"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    [made] = ingest([only(tmp_path / "a.jsonl")], "corpus", "corpus/a.jsonl")
    assert (made.frame.height, made.drops["rule"].to_list()) == (2, ["repeated_row"])


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet", "txt"])
def test_right_to_left_text_and_emoji_arrive_as_they_are(tmp_path, kind):
    text = "שלום עולם \u200fמה (x)? — مرحبا 👩\u200d👩\u200d👧 🏳️\u200d🌈 e\u00e9 🇩🇪"
    path = tmp_path / f"a.{kind}"
    match kind:
        case "jsonl":
            path.write_text(json.dumps({"text": text}), encoding="utf-8")
        case "csv":
            pl.DataFrame({"text": [text]}).write_csv(path)
        case "parquet":
            pl.DataFrame({"text": [text]}).write_parquet(path)
        case "txt":
            path.write_text(text, encoding="utf-8")
    rows = only(path)
    assert rows.records["completion"].to_list() == [[{"role": "assistant", "content": text}]]
    assert rows.normalised == {}


def test_a_batch_comes_in_bounded_parts_and_no_row_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "PART_ROWS", 100)
    (tmp_path / "a.jsonl").write_text("\n".join(f'{{"text": "row {n}"}}' for n in range(210)))
    parts = parts_of(tmp_path)
    assert [part.records.height for part in parts] == [100, 100, 10]
    assert pl.concat([part.records for part in parts])["record_id"].n_unique() == 210


def test_parts_are_bounded_by_their_size_too(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "PART_BYTES", 1000)
    (tmp_path / "a.jsonl").write_bytes(FINE * 100)
    assert len(parts_of(tmp_path)) == 2


def test_a_batch_that_begins_with_broken_rows_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "PART_ROWS", 100)
    (tmp_path / "a.jsonl").write_bytes(b"{\n" * 150 + FINE)
    rows = only(tmp_path / "a.jsonl")
    assert (rows.records.height, rows.unreadable.height) == (1, 150)


PEAK = """
import resource, sys
from fineline.resources.core.recipe.sources import Files
from fineline.resources.data.sources.kinds import connector
from fineline.resources.data.formats.rows import SourceError
source = Files(name="c", kind="files", licence="x", path=sys.argv[1])
files = connector(source)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for batch in files.batches(source):
    try:
        for part in files.read(source, batch.name, batch):
            pass
    except SourceError as error:
        print("told", file=sys.stderr)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_memory_stays_bounded_whatever_is_read(tmp_path, giant, bomb):
    billion_rows(tmp_path / "billion.parquet")
    row = json.dumps({"question": "Why is that so? " * 300, "answer": "Because it is so. " * 300}).encode() + b"\n"
    with (tmp_path / "many.jsonl").open("wb") as file:
        for number in range(14_000):
            file.write(row.replace(b"that", b"%d" % number, 1))
    read = subprocess.run([sys.executable, "-c", PEAK, str(tmp_path)], capture_output=True, text=True, check=True)
    # Some 130 MB of rows in one file, 50 in one row and 300 packed in another; a part of rows needs some 200.
    assert int(read.stdout) < 260
    assert read.stderr.count("told") == 2
