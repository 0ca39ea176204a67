import gzip
import json

import fsspec
import pytest
from support.reading import list_batches, read_batch, read_only_batch

from fineline.resources.core.recipe.loading import load_recipe
from fineline.resources.core.recipe.sources import Files
from fineline.resources.data.formats.rows import PassingError, SourceError

ROWS = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(5)]
JSONL = "\n".join(json.dumps(row) for row in ROWS).encode()


def files(path, **options):
    return Files(name="corpus", kind="files", licence="CC0-1.0", path=path, **options)


@pytest.fixture
def bucket():
    store = fsspec.filesystem("memory")
    store.pipe("/bucket/shard/a.jsonl", JSONL)
    store.pipe("/bucket/shard/b.json.gz", gzip.compress(json.dumps(ROWS).encode()))
    store.pipe("/bucket/shard/deeper/c.jsonl", JSONL)
    store.pipe("/bucket/shard/.hidden.jsonl", JSONL)
    yield store
    store.rm("/bucket", recursive=True)


def test_the_files_of_a_store_are_batches_and_give_the_same_records(bucket):
    source = files("memory://bucket/shard")
    batches = list_batches(source)
    assert [batch.name for batch in batches] == ["a.jsonl", "b.json.gz"]
    ids = [read_batch(source, batch).records["record_id"].to_list() for batch in batches]
    assert ids[0] == ids[1]


def test_a_single_file_of_a_store_is_a_batch(bucket):
    assert [batch.name for batch in list_batches(files("memory://bucket/shard/a.jsonl"))] == ["a.jsonl"]


def test_a_table_of_a_store_is_read(bucket, tmp_path):
    import polars as pl

    pl.DataFrame(ROWS).write_parquet(tmp_path / "a.parquet")
    bucket.pipe("/bucket/tables/a.parquet", (tmp_path / "a.parquet").read_bytes())
    assert read_only_batch(files("memory://bucket/tables")).records.height == 5


def test_content_follows_the_version_in_the_store(bucket):
    source = files("memory://bucket/shard")
    before = list_batches(source)
    assert list_batches(source) == before
    bucket.pipe("/bucket/shard/a.jsonl", JSONL + b"\n")
    assert [one == other for one, other in zip(list_batches(source), before, strict=True)] == [False, True]


def test_a_file_url_is_the_folder_that_it_names(tmp_path):
    folder = tmp_path / "a b"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(JSONL)
    assert list_batches(files(f"file://{tmp_path}/a%20b")) == list_batches(files(folder))


def test_a_store_that_fails_while_it_is_read_is_told(bucket, monkeypatch):
    def fail(*_):
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFile.readinto", fail, raising=False)
    with pytest.raises(SourceError, match=r"cannot read corpus/a\.jsonl: Connection reset by peer"):
        read_only_batch(files("memory://bucket/shard/a.jsonl"))


def test_a_file_of_services_that_fails_while_it_is_read_is_told(bucket, tmp_path, monkeypatch):
    def fail(*_):
        raise ConnectionResetError(104, "Connection reset by peer")

    (tmp_path / "a.jsonl").write_bytes(JSONL)
    bucket.pipe("/bucket/schema.json", b"[]")
    monkeypatch.setattr("fsspec.implementations.memory.MemoryFile.readinto", fail, raising=False)
    with pytest.raises(SourceError, match=r"cannot read memory://bucket/schema\.json: Connection reset by peer"):
        read_only_batch(files(tmp_path, services="memory://bucket/schema.json"))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://bucket/nowhere", "there is nothing at memory://bucket/nowhere"),
        ("nosuch://bucket", "nosuch:// is no kind of store that fsspec knows"),
        ("dropbox://bucket", "reading dropbox:// needs a package that is not installed"),
    ],
)
def test_a_store_that_cannot_be_read_is_told(url, message):
    with pytest.raises(SourceError, match=message):
        list_batches(files(url))


def test_a_url_in_a_recipe_stays_as_it_is_and_a_path_starts_at_the_recipe(tmp_path, monkeypatch):
    monkeypatch.setenv("BUCKET", "mine")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "name: r\nsources:\n"
        "  - {name: far, kind: files, path: s3://$BUCKET/a/../b, licence: MIT}\n"
        "  - {name: near, kind: files, path: corpus, licence: MIT, join: {path: answers.jsonl, key: id}}\n"
    )
    far, near = load_recipe(recipe).sources
    assert far.path == "s3://mine/a/../b"
    assert (near.path, near.join.path) == (tmp_path / "corpus", tmp_path / "answers.jsonl")


def test_rows_are_joined_with_those_of_a_second_file(tmp_path):
    (tmp_path / "questions.jsonl").write_text('{"id": "a", "question": "Why?"}\n{"id": "b", "question": "How?"}')
    answers = tmp_path / "answers.jsonl"
    answers.write_text('{"id": "b", "answer": "So."}\n')
    source = files(tmp_path / "questions.jsonl", join={"path": answers, "key": "id"})
    [before] = list_batches(source)
    rows = read_batch(source, before)
    assert [message["content"] for [message] in rows.records["completion"]] == ["So."]
    assert rows.unreadable["reason"].to_list() == ["column 'answer' is missing or null, not text"]
    answers.write_text('{"id": "b", "answer": "Thus."}\n')
    assert list_batches(source) != [before]
    answers.write_text('{"id": "b", "answer": "So."}\n{"id": "b", "answer": "Or so."}')
    with pytest.raises(PassingError, match=r"answers.jsonl line 2 of the joined file has no 'id' that is its own"):
        read_batch(source, before)
