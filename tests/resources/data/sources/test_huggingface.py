import gzip
import itertools
import json

import pytest
from support.reading import list_batches, read_batch, read_only_batch

from fineline.resources.core.recipe.sources import Files, HuggingFace
from fineline.resources.data.formats.rows import PassingError, SourceError
from fineline.resources.data.sources import huggingface

ROWS = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(6)]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", folder)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "hub"
    folder.mkdir()
    (folder / "train.jsonl").write_text("\n".join(json.dumps(row) for row in ROWS))
    return folder


def dataset(name, **options):
    return HuggingFace(name="corpus", kind="huggingface", licence="MIT", id=str(name), **options)


def test_a_local_folder_gives_the_records_that_its_files_give(folder):
    rows = read_only_batch(dataset(folder))
    plain = Files(name="corpus", kind="files", licence="MIT", path=folder)
    assert rows.records["record_id"].equals(read_only_batch(plain).records["record_id"])
    assert rows.records["metadata"][0] == '{"location": "row 1"}'
    assert rows.unreadable.is_empty()


def test_a_link_out_of_a_local_folder_is_refused(folder, tmp_path):
    source = dataset(folder)
    [batch] = list_batches(source)
    (tmp_path / "pseudonym.key").write_text("secret-key-of-the-root")
    (folder / "train-2.jsonl").symlink_to(tmp_path / "pseudonym.key")
    for attempt in (lambda: list_batches(source), lambda: read_batch(source, batch)):
        with pytest.raises(
            SourceError, match=r"a link leads out of .*hub \(find .*hub -type l\), which is not followed"
        ):
            attempt()


def test_a_limit_takes_the_first_rows(folder):
    few = read_only_batch(dataset(folder, limit=2)).records
    assert few["prompt"].list.first().struct.field("content").to_list() == [
        "What is 0 + 1?",
        "What is 1 + 1?",
    ]


def test_a_batch_is_a_split_and_follows_files_and_options(folder):
    before = list_batches(dataset(folder))
    assert [batch.name for batch in before] == ["train"]
    assert list_batches(dataset(folder)) == before
    assert list_batches(dataset(folder, revision="v2")) != before
    (folder / "more.jsonl").write_text("{}")
    assert list_batches(dataset(folder)) != before


def test_listing_does_not_ask_the_hub():
    assert [batch.name for batch in list_batches(dataset("nobody/nothing", config="main", revision="v1"))] == ["train"]


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(SourceError, match=r"there is no folder .*nowhere"):
        list_batches(dataset(tmp_path / "nowhere"))


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(SourceError, match="is empty"):
        list_batches(dataset(tmp_path))


def test_a_dataset_that_cannot_be_reached_says_what_to_do():
    with pytest.raises(PassingError, match=r"(?s)nobody/nothing could not be loaded.*HF_HUB_OFFLINE=0.*local folder"):
        read_only_batch(dataset("nobody/nothing", revision="v1"))


def test_a_dataset_of_the_hub_must_be_pinned():
    with pytest.raises(SourceError, match="give the revision of nobody/nothing"):
        list_batches(dataset("nobody/nothing"))


@pytest.mark.parametrize("several", [False, True])
def test_a_folder_that_datasets_saved_is_read(tmp_path, several):
    from datasets import Dataset, DatasetDict

    rows = Dataset.from_list(ROWS)
    (DatasetDict(train=rows) if several else rows).save_to_disk(tmp_path / "saved")
    assert read_only_batch(dataset(tmp_path / "saved")).records.height == len(ROWS)


def test_a_split_that_is_not_there_is_told_with_those_that_are(folder):
    with pytest.raises(SourceError, match=r"(?s)Bad split: dev.*train.*Check id, config, split"):
        read_only_batch(dataset(folder, split="dev"))


def test_files_that_are_no_table_are_told_without_their_content(folder):
    (folder / "train.jsonl").write_text('{"question": "Secret", "answer": "Words"}\n{"question": "Secr')
    with pytest.raises(SourceError) as refusal:
        read_only_batch(dataset(folder))
    assert "kind files" in str(refusal.value)
    assert not isinstance(refusal.value, PassingError)
    assert "Secr" not in str(refusal.value)
    assert refusal.value.__cause__ is None


@pytest.mark.real_data
def test_gsm8k_as_a_folder_gives_all_its_rows(tmp_path, shared_data):
    with gzip.open(shared_data / "instruction" / "gsm8k_train.jsonl.gz") as file:
        (tmp_path / "train.jsonl").write_bytes(b"".join(itertools.islice(file, 500)))
    rows = read_only_batch(dataset(tmp_path))
    assert (rows.records.height, rows.unreadable.height) == (500, 0)


class Interrupted:
    """A dataset whose stream fails."""

    def __init__(self, error):
        self.error = error

    def with_format(self, _):
        return self

    def iter(self, batch_size):
        raise self.error


@pytest.mark.parametrize(
    ("error", "passes"),
    [(ConnectionResetError(104, "reset"), True), (OSError(5, "EIO"), True), (OSError("Arrow: no table"), False)],
)
def test_a_stream_that_is_interrupted_may_pass_and_damaged_content_does_not(monkeypatch, error, passes):
    monkeypatch.setattr(huggingface, "_load", lambda _: Interrupted(error))
    with pytest.raises(SourceError) as refusal:
        list(huggingface._rows(dataset("nobody/nothing", revision="v1")))
    assert isinstance(refusal.value, PassingError) == passes


@pytest.mark.parametrize("target", ["loop.jsonl", "loop.jsonl/more"])
def test_a_link_that_leads_to_itself_is_refused(folder, target):
    (folder / "loop.jsonl").symlink_to("loop.jsonl")
    (folder / "more.jsonl").symlink_to(target)
    with pytest.raises(SourceError, match="a link leads out of"):
        list_batches(dataset(folder))
