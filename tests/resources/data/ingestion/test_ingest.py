import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.records import record, records

from fineline.data_contracts.records import Record
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.tables import Origin, scan_table, write_table
from fineline.resources.data.ingestion.ingest import ingest, is_allowed
from fineline.resources.data.shapes.content import BatchRows
from fineline.resources.governance.accounting import ledger


def unreadable(*ids):
    rows = {"record_id": list(ids), "location": "line 1", "reason": "not JSON", "raw": "{half"}
    schema = {name: pl.String for name in ("record_id", "location", "reason", "raw")}
    return pl.DataFrame(rows, schema=schema) if ids else pl.DataFrame(schema=schema)


def ingested(*parts, allowed=None):
    return list(ingest(parts, "notes", "notes/1", allowed))


def test_the_first_of_identical_rows_goes_on_and_the_others_are_drops():
    row = record("the same answer")
    first = BatchRows(records(row, row, record("another one")), unreadable())
    made, later = ingested(first, BatchRows(records(row), unreadable()))
    assert made.frame.height == 2
    assert made.drops.select("rule", "detail").rows() == [("repeated_row", "copy 1")]
    assert made.side_tables["rows_read"].filter(record_id=row["record_id"])["copy"].to_list() == [0, 1]
    assert later.frame.is_empty()
    assert later.drops["detail"].to_list() == ["copy 2"]


def test_an_unreadable_row_is_kept_in_quarantine_with_its_place_and_reason():
    [made] = ingested(BatchRows(records(), unreadable("a" * 32)))
    assert made.quarantine.select("rule", "detail", "record").rows() == [
        ("unreadable_row", "line 1: not JSON", "{half")
    ]


def test_what_normalisation_changed_is_counted_by_kind_over_all_parts(tmp_path):
    parts = [BatchRows(records(record(text)), unreadable(), {"encoding": 1}) for text in ("one answer", "two answers")]
    made = ingest(parts, "notes", "notes/1")
    written = write_table(Storage(tmp_path), "c", None, made, Record, Origin("1", {}, "r"), maximum_quarantine=0)
    assert written.manifest.facts == {"normalised: encoding": 2}


@pytest.fixture
def licensed():
    rows = [record(f"{licence} answer", licence=licence) for licence in ("MIT", "GPL-3.0", "MIT")]
    return BatchRows(records(*rows, rows[1], record(" ")), unreadable())


def test_records_of_other_licences_are_quarantined_and_accounted_for(tmp_path, licensed):
    storage = Storage(tmp_path)
    made = ingest([licensed], "notes", "notes/1", ["mit", "CC0-1.0"])
    written = write_table(storage, "raw_corpus", "notes/1", made, Record, Origin("1", {}, "r"), maximum_quarantine=0.4)
    assert dict(written.broken_rules) == {"completion_has_text": 1, "licence_not_allowed": 1}
    assert written.manifest.failed_checks == []
    kept = scan_table(storage, "raw_corpus").collect()
    assert set(kept["licence"]) == {"MIT"}
    quarantine = scan_table(storage, "raw_corpus", role="quarantine").filter(rule="licence_not_allowed").collect()
    assert "GPL-3.0 answer" in quarantine["record"][0]
    assert quarantine["detail"].to_list() == ["the licence is GPL-3.0"]


def test_the_ledger_has_a_place_for_each_copy_of_a_record_that_is_kept_out(tmp_path, licensed):
    storage = Storage(tmp_path)
    made = ingest([licensed], "notes", "notes/1", ["MIT"])
    write_table(storage, "raw_corpus", "notes/1", made, Record, Origin("1", {}, "r"), maximum_quarantine=1)
    raw, drops, kept = (
        scan_table(storage, "raw_corpus", role=role).collect() for role in ("rows_read", "drops", "data")
    )
    assignment = kept.select("record_id", "batch", "source", split=pl.lit("train"))
    account = ledger.build(raw, drops, assignment)
    assert ledger.find_gaps(account, raw, drops) == ledger.Gaps(0, 0, 0, 0)
    out = account.filter(record_id=licensed.records["record_id"][1])
    assert out.select("copy", "place", "rule").rows() == [
        (0, "raw_corpus/quarantine", "licence_not_allowed"),
        (1, "raw_corpus/drops", "repeated_row"),
    ]


def test_licences_kept_out_by_wish_do_not_stop_the_run_and_do_not_hide_broken_rows(tmp_path, licensed):
    def failed(maximum):
        made = ingest([licensed], "notes", "notes/1", ["MIT", "CC0-1.0"])
        origin = Origin("1", {}, "r")
        written = write_table(Storage(tmp_path), "c", None, made, Record, origin, maximum_quarantine=maximum)
        return written.manifest.failed_checks

    # One of the four rows that are not kept out is broken.
    assert failed(0.25) == []
    assert failed(0.24) == ["under_contract"]


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("mit ", True),
        ("GPL-3.0 OR MIT", True),
        ("MIT AND Apache-2.0", True),
        ("MIT AND GPL-3.0", False),
        ("GPL-3.0", False),
        ("MIT-0", False),
        ("unknown", False),
        ("(GPL-3.0 OR GPL-2.0) AND MIT", False),
    ],
)
def test_a_licence_is_allowed_by_name_or_as_an_alternative(licence, allowed):
    assert is_allowed(licence, ["MIT", "Apache-2.0"]) == allowed


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("abcd"), max_size=6), max_size=4),
    st.lists(st.sampled_from("ef"), max_size=4),
    st.booleans(),
)
def test_every_row_that_came_in_is_accounted_for(texts, broken, licensed):
    whole = [records(*[record(f"answer {text}", licence=f"L-{text}") for text in part]) for part in texts]
    parts = [*(BatchRows(rows, unreadable()) for rows in whole)]
    parts.append(BatchRows(records(), unreadable(*[letter * 32 for letter in broken])))
    made = ingested(*parts, allowed=["L-a", "L-b"] if licensed else None)
    arrived = pl.concat([part.side_tables["rows_read"] for part in made])
    rows_in = sum(part.rows_in for part in made)
    assert rows_in == sum(map(len, texts)) + len(broken) == arrived.height
    assert sum(part.frame.height + part.drops.height + part.quarantine.height for part in made) == rows_in
    assert pl.concat([part.frame for part in made])["record_id"].is_unique().all()
    assert not arrived.select("record_id", "batch", "copy").is_duplicated().any()
