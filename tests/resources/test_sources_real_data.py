import gzip
from collections.abc import Iterator

import polars as pl
import pytest

from fineline.data_contracts.records import Record
from fineline.resources.recipe_data import Columns, Files
from fineline.resources.sources.reader import BatchRows, list_batches, read_batch

pytestmark = pytest.mark.real_data


def read_whole(path, **options) -> BatchRows:
    source = Files(name="corpus", kind="files", licence="see README", path=path, **options)
    [batch] = list_batches(source)
    return read_batch(source, batch.key)


def lines(path) -> Iterator[bytes]:
    with gzip.open(path) as file:
        yield from file


def answers(rows: BatchRows) -> pl.Series:
    return rows.records["completion"].list.last().struct.field("content")


def test_p3_templates_load_without_their_end_mark_and_with_the_template_as_group(shared_data):
    path = shared_data / "instruction" / "p3_templates_a.jsonl.gz"
    rows = read_whole(path, strip_end=["<|endoftext|>"], columns=Columns(group="template"))
    assert (rows.records.height, rows.unreadable.height) == (26_438, 0)
    assert rows.records["record_id"].is_unique().all()
    assert rows.records["group"].n_unique() == 136
    assert not answers(rows).str.contains("<|endoftext|>", literal=True).any()
    assert (answers(rows).str.strip_chars() == "").sum() == 600


def test_gsm8k_loads_by_its_column_names(shared_data):
    path = shared_data / "instruction" / "gsm8k_train.jsonl.gz"
    rows = read_whole(path)
    assert (rows.records.height, rows.unreadable.height) == (7_473, 0)
    assert rows.records.height == sum(1 for _ in lines(path))
    assert answers(rows).str.contains(r"#### -?[\d,.]+$").all()
    assert Record.is_valid(rows.records)


def test_hh_rlhf_transcripts_become_preferences_and_every_row_is_somewhere(shared_data):
    path = shared_data / "preference" / "hh_rlhf_harmless_a.jsonl.gz"
    rows = read_whole(path)
    assert (rows.records.height, rows.unreadable.height) == (1_136, 1)
    assert rows.records.height + rows.unreadable.height == sum(1 for _ in lines(path))
    assert rows.unreadable["reason"].to_list() == [
        "chosen and rejected differ before the last answer, so their prompts are not the same"
    ]
    assert (rows.records["kind"] == "preference").all()
    assert (rows.records["prompt"].list.last().struct.field("role") == "user").all()
    marks = pl.element().struct.field("content").str.contains(r"\n\n(Human|Assistant):")
    for column in ("prompt", "completion", "rejected"):
        assert not rows.records.select(pl.col(column).list.eval(marks).list.any().any()).item()


def test_sharegpt_preferences_load_and_repeat_as_they_do(shared_data):
    rows = read_whole(shared_data / "preference" / "dpo_en_demo_300.json.gz")
    assert (rows.records.height, rows.records["record_id"].n_unique()) == (300, 295)
    assert rows.unreadable.is_empty()


def test_labelled_text_loads_by_mapping(shared_data):
    path = shared_data / "labels" / "banking77_train.csv.gz"
    rows = read_whole(path, columns=Columns(text="text", label="category"))
    assert (rows.records.height, rows.records["label"].n_unique()) == (10_003, 77)
