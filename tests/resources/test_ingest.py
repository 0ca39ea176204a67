import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from records import record, records

from fineline.resources.ingest import ingest
from fineline.resources.sources.batches import BatchRows


def unreadable(*ids):
    rows = {"record_id": list(ids), "location": "a.jsonl line 1", "reason": "not JSON", "raw": "{half"}
    schema = {name: pl.String for name in ("record_id", "location", "reason", "raw")}
    return pl.DataFrame(rows, schema=schema) if ids else pl.DataFrame(schema=schema)


def test_the_first_of_identical_rows_goes_on_and_the_others_are_drops():
    row = record("the same answer")
    made = ingest(BatchRows(records(row, row, record("another one"), row), unreadable()), "notes", "notes/1")
    assert made.frame.height == 2
    assert made.drops.select("rule", "detail").rows() == [("repeated_row", "copy 1"), ("repeated_row", "copy 2")]
    assert made.beside["arrivals"].filter(record_id=row["record_id"])["copy"].to_list() == [0, 1, 2]


def test_an_unreadable_row_is_kept_in_quarantine_with_its_place_and_reason():
    made = ingest(BatchRows(records(), unreadable("a" * 32)), "notes", "notes/1")
    assert made.quarantine.select("rule", "detail", "record").rows() == [
        ("unreadable_row", "a.jsonl line 1: not JSON", "{half")
    ]


@given(st.lists(st.sampled_from("abcd")), st.lists(st.sampled_from("xy")))
def test_every_row_that_came_in_is_accounted_for(texts, broken):
    rows = records(*[record(f"answer {text}") for text in texts])
    made = ingest(BatchRows(rows, unreadable(*[letter * 32 for letter in broken])), "notes", "notes/1")
    assert made.rows_in == len(texts) + len(broken) == made.beside["arrivals"].height
    assert made.frame.height + made.drops.height + made.quarantine.height == made.rows_in
    assert made.frame["record_id"].is_unique().all()
    assert not made.beside["arrivals"].select("record_id", "batch", "copy").is_duplicated().any()
