import gzip
import json
import os
import time
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reading import list_batches, read_batch, read_only_batch

from fineline.data_contracts.records import Record
from fineline.resources.core.recipe.sources import Columns, Files
from fineline.resources.data.formats.rows import SourceError
from fineline.resources.data.sources.locations import LocalFile

ROWS = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(5)]
JSONL = "\n".join(json.dumps(row) for row in ROWS)


def files(path, **options):
    return Files(name="corpus", kind="files", licence="CC0-1.0", path=path, **options)


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def zstd(content: bytes) -> bytes:
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(content)
    return packed.getvalue().to_pybytes()


def test_a_row_becomes_a_record_with_its_source_batch_licence_and_place(tmp_path):
    rows = read_only_batch(files(written(tmp_path, "part.jsonl", JSONL)))
    first = rows.records.row(0, named=True)
    assert len(first.pop("record_id")) == 32
    assert json.loads(first.pop("metadata")) == {"location": "line 1"}
    assert first == {
        "source": "corpus",
        "batch": "corpus/part.jsonl",
        "kind": "chat",
        "prompt": [{"role": "user", "content": "What is 0 + 1?"}],
        "completion": [{"role": "assistant", "content": "1"}],
        "rejected": None,
        "tools": None,
        "label": None,
        "group": None,
        "licence": "CC0-1.0",
    }


def test_records_fit_the_contract_without_a_cast(tmp_path):
    rows = read_only_batch(files(written(tmp_path, "part.jsonl", JSONL)))
    assert rows.records.schema == Record.create_empty().schema
    assert Record.is_valid(rows.records)


TEXT_NAMES = [f"a.{name}{packed}" for name in ("jsonl", "json", "csv") for packed in ("", ".gz", ".zst")]


@pytest.mark.parametrize(
    "name", [*TEXT_NAMES, "a.CSV", "a.ndjson", "a.parquet", "a.arrow", "a.feather", "stream.arrow"]
)
def test_every_format_gives_the_same_records(tmp_path, name):
    frame = pl.DataFrame(ROWS)
    ending = name.lower().removesuffix(".gz").removesuffix(".zst").rpartition(".")[2]
    text = {"jsonl": JSONL, "ndjson": JSONL, "json": json.dumps(ROWS), "csv": frame.write_csv()}
    pack = {"gz": gzip.compress, "zst": zstd}.get(name.rpartition(".")[2], bytes)
    if ending in text:
        written(tmp_path, name, pack(text[ending].encode()))
    elif ending == "parquet":
        frame.write_parquet(tmp_path / name)
    elif name == "stream.arrow":
        frame.write_ipc_stream(tmp_path / name)
    else:
        frame.write_ipc(tmp_path / name)
    (tmp_path / "plain").mkdir()
    expected = read_only_batch(files(written(tmp_path / "plain", "a.jsonl", JSONL))).records
    columns = ["record_id", "prompt", "completion"]
    assert read_only_batch(files(tmp_path / name)).records.select(columns).equals(expected.select(columns))


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("break_", ["\n", "\r\n"])
def test_windows_line_breaks_and_byte_order_marks_change_nothing(tmp_path, mark, break_):
    csv = "question,answer\nWhy?,Because.\n"
    for name, content in [("a.csv", csv), ("a.jsonl", '{"question": "Why?", "answer": "Because."}\n')]:
        rows = read_only_batch(files(written(tmp_path, name, (mark + content).replace("\n", break_))))
        assert rows.records["completion"].to_list() == [[{"role": "assistant", "content": "Because."}]]
        assert rows.unreadable.is_empty()


def test_each_file_of_a_folder_is_a_batch_and_others_are_left_out(tmp_path):
    for name in ["b.jsonl", "a.csv", ".hidden.jsonl", "picture.png", "half.jsonl.part"]:
        written(tmp_path, name, "x")
    (tmp_path / "deeper").mkdir()
    written(tmp_path / "deeper", "c.jsonl", JSONL)
    assert [batch.name for batch in list_batches(files(tmp_path))] == ["a.csv", "b.jsonl"]


def test_content_follows_the_bytes_and_not_the_time(tmp_path):
    path = written(tmp_path, "part.jsonl", JSONL)
    before = list_batches(files(path))
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert list_batches(files(path)) == before
    written(tmp_path, "part.jsonl", JSONL.replace("What", "Wha!"))
    assert list_batches(files(path)) != before


def test_an_old_file_that_changes_has_new_content(tmp_path):
    path = written(tmp_path, "part.jsonl", JSONL)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    before = list_batches(files(path))
    written(tmp_path, "part.jsonl", JSONL.replace("What", "Wha!"))
    os.utime(path, (1_000_000_001, 1_000_000_001))
    assert list_batches(files(path)) != before


def test_a_file_that_changes_within_one_tick_of_the_clock_has_new_content(tmp_path):
    now = time.time_ns()
    prints = set()
    for word in ("What", "Wha!"):
        path = written(tmp_path, "part.jsonl", JSONL.replace("What", word))
        os.utime(path, ns=(now, now))
        prints.add(list_batches(files(path))[0].content)
    assert len(prints) == 2


def test_identities_do_not_depend_on_file_or_order(tmp_path):
    forth = read_only_batch(files(written(tmp_path, "a.jsonl", JSONL)))
    back = read_only_batch(files(written(tmp_path, "b.jsonl", "\n".join(reversed(JSONL.splitlines())))))
    assert back.records["record_id"].to_list() == forth.records["record_id"].to_list()[::-1]


def test_a_limit_takes_the_first_rows_of_each_batch(tmp_path):
    written(tmp_path, "a.jsonl", JSONL)
    written(tmp_path, "b.jsonl", "not json\n" + JSONL)
    source = files(tmp_path, limit=2)
    sizes = [read_batch(source, batch) for batch in list_batches(source)]
    assert [(rows.records.height, rows.unreadable.height) for rows in sizes] == [(2, 0), (1, 1)]


def test_a_half_written_line_is_kept_with_its_place_and_reason(tmp_path):
    rows = read_only_batch(files(written(tmp_path, "part.jsonl", JSONL + '\n{"question": "cut o')))
    assert rows.records.height == 5
    [line] = rows.unreadable.rows(named=True)
    assert line["location"] == "line 6"
    assert line["reason"] == "no valid JSON from character 14: Unterminated string starting at"
    assert line["raw"] == '{"question": "cut o'
    assert len(line["record_id"]) == 32


def test_a_line_that_is_not_utf8_is_kept_and_its_neighbours_are_read(tmp_path):
    rows = read_only_batch(files(written(tmp_path, "part.jsonl", b'{"text": "gr\xfc\xdfe"}\n{"text": "fine"}')))
    assert rows.records.height == 1
    assert rows.unreadable["reason"].to_list() == ["byte 13 is not UTF-8"]


@pytest.mark.parametrize("depth", [450, 5_000, 100_000])
def test_an_element_of_an_array_that_is_nested_too_deeply_is_set_apart(tmp_path, depth):
    deep = '{"text": "a]", "x": ' + "[" * depth + '"\\"]"' + "]" * depth + "}"
    text = '[{"text": "one"}, ' + deep + ', {"text": "two"}]'
    rows = read_only_batch(files(written(tmp_path, "part.json", text)))
    assert rows.records.height == 2
    [found] = rows.unreadable.rows(named=True)
    assert (found["location"], found["reason"]) == ("row 2", "JSON that is nested too deeply")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('["text"]', "is no JSON object"),
        ('"text"', "is no JSON object"),
        ("[" * 100_000, "JSON that is nested too deeply"),
        ('{"text": "a", "x": ' + "[" * 600 + "]" * 600 + "}", "JSON that is nested too deeply"),
        ('{"text": ' + "9" * 5000 + "}", "a number is too long"),
        ('{"text": "\\ud83d"}', "holds half a surrogate pair (such as \\ud83d alone), which is no text"),
        ('{"text": "a' + "\u0315" * 101 + '"}', "holds more than 100 accents on one letter, which is no text"),
        ('{"text": null}', "column 'text' is missing or null, not text"),
    ],
)
def test_odd_lines_are_set_apart_with_the_reason(tmp_path, line, reason):
    rows = read_only_batch(files(written(tmp_path, "part.jsonl", '{"text": "fine"}\n \n' + line)))
    assert rows.records.height == 1
    [found] = rows.unreadable.rows(named=True)
    assert (found["location"], found["reason"]) == ("line 3", reason)
    assert len(found["raw"]) <= 10_000


def test_elements_of_an_array_that_are_no_objects_are_set_apart(tmp_path):
    rows = read_only_batch(files(written(tmp_path, "part.json", '["just a text", {"text": "fine"}]')))
    assert rows.records.height == 1
    assert rows.unreadable.select("location", "reason").rows() == [("row 1", "is no JSON object")]


LINES = st.lists(
    st.sampled_from([b'{"text": "a"}', b'{"text": "b"}', b'{"text": 1}', b"{", b"\xff", b"[]", b'{"other": 2}']),
    min_size=1,
    max_size=12,
)


@settings(deadline=None)
@given(LINES)
def test_every_line_is_either_a_record_or_unreadable(tmp_path_factory, lines):
    path = written(tmp_path_factory.mktemp("lines"), "part.jsonl", b"\n".join([b'{"text": "first"}', *lines]))
    rows = read_only_batch(files(path))
    assert rows.records.height + rows.unreadable.height == len(lines) + 1


def test_a_missing_path_is_told(tmp_path):
    with pytest.raises(SourceError, match=r"there is nothing at .*nowhere\. Correct the path"):
        list_batches(files(tmp_path / "nowhere"))


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(SourceError, match=r"holds no files \(sub-folders are not read\)"):
        list_batches(files(tmp_path))


def test_a_folder_without_known_formats_is_told_with_those_that_are_known(tmp_path):
    written(tmp_path, "report.pdf", "x")
    with pytest.raises(SourceError, match=r"no file of a known format. Known formats: \.jsonl"):
        list_batches(files(tmp_path))


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.csv.gz", "a.parquet", "a.arrow", "a.txt", "a.md"])
def test_an_empty_file_is_told(tmp_path, name):
    source = files(written(tmp_path, name, ""))
    with pytest.raises(SourceError, match=f"corpus/{name} holds no rows"):
        read_only_batch(source)


def test_a_csv_file_with_only_a_header_is_told(tmp_path):
    with pytest.raises(SourceError, match=r"corpus/a\.csv holds no rows"):
        read_only_batch(files(written(tmp_path, "a.csv", "text\n")))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", '{"data": []}', "no array of objects"),
        ("a.json", '{"text": "a"}\n{"text": "b"}', "give it the ending .jsonl"),
        ("a.json", b'["\xff"]', "byte 3 is not UTF-8"),
        ("a.json", '[\n{"text": "Secret"},\n{"text": "Wor', "line 3: row 2: Unterminated string"),
        ("a.json", '[{"text": "Secret"}', "line 1: the array breaks off"),
        ("a.json", '[{"text": "Secret"}] []', "line 1: something follows the array"),
        ("a.json", "[" * 100_000, "row 1 is nested too deeply"),
        ("a.csv", 'text\nfine\n"Secret\nWords\n', "a.csv line 3 is not readable as CSV"),
        ("a.csv", "text,text\nSecret,Words\n", "columns 1 and 2 of the header have one name"),
        ("a.jsonl", JSONL.encode("utf-16"), "is UTF-16, not UTF-8"),
        ("a.arrow", "Secret Words", "not a readable Arrow file"),
        ("a.parquet", "Secret Words", "not a readable Parquet file"),
        # Without a time: processes that share the tests must read the same names.
        ("a.jsonl.gz", gzip.compress(JSONL.encode(), mtime=0)[:-9], "damaged or half-written .gz"),
        ("a.jsonl.zst", zstd(JSONL.encode())[:-1], "damaged or half-written .zst"),
        ("a.jsonl.zst", "Secret Words", "damaged or half-written .zst"),
        ("a.jsonl.gz", "Secret Words", "damaged or half-written .gz"),
    ],
)
def test_a_damaged_file_is_told_without_its_content(tmp_path, name, content, message):
    source = files(written(tmp_path, name, content))
    with pytest.raises(SourceError) as refusal:
        read_only_batch(source)
    assert message in str(refusal.value)
    assert name in str(refusal.value)
    assert "Secret" not in str(refusal.value) + str(refusal.value.__cause__)


def test_a_file_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    # The superuser may read everything, so the refusal is put in the place of the system's.
    path = written(tmp_path, "part.jsonl", JSONL)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(LocalFile, "open", refuse)
    with pytest.raises(SourceError, match="Permission denied; give this user the right to read it"):
        list_batches(files(path))


@pytest.mark.outcome(
    "reading", "a link in a folder, to `pseudonym.key` or elsewhere", "refused by its name; the other files are read"
)
def test_a_link_is_refused_also_where_the_recipe_names_it(tmp_path):
    path = written(tmp_path, "part.jsonl", JSONL)
    link = tmp_path / "in" / "link.jsonl"
    link.parent.mkdir()
    link.symlink_to(path)
    for source in [files(link), files(link.parent), files(f"local://{link.parent}"), files(path, services=link)]:
        with pytest.raises(SourceError, match=r"(link\.jsonl|by name): it is a link, and links are not followed"):
            list_batches(source)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_folder_that_may_not_be_listed_is_told(tmp_path):
    tmp_path.chmod(0)
    with pytest.raises(SourceError, match="give this user the right to read it"):
        list_batches(files(tmp_path))


def test_a_batch_that_is_gone_is_told(tmp_path):
    source = files(written(tmp_path, "part.jsonl", JSONL).parent)
    [batch] = list_batches(source)
    (tmp_path / "part.jsonl").unlink()
    with pytest.raises(SourceError, match=r"corpus/part\.jsonl: its file is no longer at"):
        read_batch(source, batch)


def test_a_short_text_is_one_record_and_its_file_is_its_group(tmp_path):
    rows = read_only_batch(files(written(tmp_path, "note.txt", "A short note.\n\n# With a heading\n")))
    assert rows.records["kind"].to_list() == ["text"]
    assert rows.records["group"].to_list() == ["note.txt"]


def test_a_long_text_is_cut_into_sections(tmp_path):
    rows = read_only_batch(files(written(tmp_path, "book.md", "\n\n".join(["word " * 300] * 6))))
    assert rows.records.height == 3
    assert json.loads(rows.records["metadata"][2]) == {"location": "section 3"}


def test_a_mapping_is_for_tables_and_leaves_texts_alone(tmp_path):
    written(tmp_path, "a.jsonl", '{"q": "Why?", "a": "Because."}')
    written(tmp_path, "b.txt", "A text.")
    source = files(tmp_path, columns=Columns(prompt="q", completion="a"))
    kinds = [read_batch(source, batch).records["kind"][0] for batch in list_batches(source)]
    assert kinds == ["chat", "text"]


def test_a_name_that_is_no_utf8_gives_a_batch_that_can_be_read(tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9.jsonl"
    with open(path, "wb") as file:
        file.write(JSONL.encode() + b"\n{")
    rows = read_only_batch(files(tmp_path))
    assert rows.records.height == 5
    assert rows.unreadable["location"][0] == "line 6"
