import polars as pl
import pytest
from support.audited import KEY, edit_manifest, evidence, rewrite
from support.storage import read, write

from fineline.resources.core.keys import PseudonymKey
from fineline.resources.governance.audit import tables
from fineline.resources.governance.audit.evidence import NotCheckable
from fineline.resources.governance.forgetting import tombstones


@pytest.mark.parametrize("count", ["rows", "dropped", "rows_in"])
def test_a_count_that_is_not_that_of_the_table_is_noticed(storage, count):
    edit_manifest(storage, "curated_corpus", **{count: 7})
    assert tables.rows_are_accounted_for(evidence(storage)).failures > 0


def test_a_row_that_vanished_between_arrival_and_ledger_is_noticed(storage):
    write(storage, "record_ledger", read(storage, "record_ledger").head(-1), rows_in=41)
    found = tables.rows_are_accounted_for(evidence(storage))
    assert "record_ledger: 1 missing" in found.detail
    assert found.failures == 2, "the row, and the entry that a ledger built anew has"


def test_a_ledger_that_tells_another_place_is_noticed(storage):
    moved = read(storage, "record_ledger").with_columns(place=pl.lit("splits/train"))
    write(storage, "record_ledger", moved)
    assert "entries unlike the rebuilt ones" in tables.rows_are_accounted_for(evidence(storage)).detail


def overwrite(storage, asset, change):
    """Change the rows of a table's files as no step does: unchecked, under the old names."""
    for key in storage.keys(storage.require(asset), "data").values():
        change(pl.read_parquet(storage.local.path(key))).write_parquet(storage.local.path(key))


def test_rows_that_break_their_contract_are_counted_by_rule(storage):
    overwrite(storage, "splits", lambda rows: rows.with_columns(split_group=pl.lit("one group")))
    no_id = pl.format("no id {} of {}", pl.int_range(pl.len()), "batch")
    overwrite(storage, "curated_corpus", lambda rows: rows.with_columns(record_id=no_id))
    found = tables.tables_are_under_contract(evidence(storage))
    assert "splits: 41 rows of data break a_group_stays_in_one_split" in found.detail
    assert "curated_corpus: 41 rows of data break record_id|regex" in found.detail
    assert found.failures == 82


def test_a_table_without_a_column_of_its_contract_is_noticed(storage):
    overwrite(storage, "splits", lambda rows: rows.drop("stratum"))
    assert (
        "splits: 41 rows of data break no column stratum" in tables.tables_are_under_contract(evidence(storage)).detail
    )


@pytest.mark.parametrize("change", ["line", "missing", "twice"])
def test_an_export_that_is_not_its_table_is_noticed(storage, change):
    path = storage.file(storage.require("sft_dataset"), "test")
    lines = path.read_bytes().splitlines(keepends=True)
    changed = {
        "line": [b'{"prompt": [], "completion": []}\n', *lines[1:]],
        "missing": lines[1:],
        "twice": lines + lines[:1],
    }
    rewrite(path, b"".join(changed[change]))
    found = tables.exports_equal_tables(evidence(storage))
    assert found.failures == 1
    assert "lines of test differ from its table" in found.detail


def test_an_export_with_other_columns_is_noticed(storage):
    rewrite(storage.file(storage.require("sft_dataset"), "test"), b'{"text": "other"}\n')
    assert "test has other columns" in tables.exports_equal_tables(evidence(storage)).detail


def test_the_order_of_an_exports_lines_makes_no_difference(storage):
    path = storage.file(storage.require("sft_dataset"), "train")
    rewrite(path, b"".join(reversed(path.read_bytes().splitlines(keepends=True))))
    assert tables.exports_equal_tables(evidence(storage)).failures == 0


def forget(storage, *record_ids, key=KEY):
    tombstones.add(storage, tombstones.of_records(key, "request-1", record_ids))


def test_tombstones_of_another_key_recognise_nothing_and_that_is_said(storage):
    forget(storage, "f" * 32, key=PseudonymKey(b"o" * 32))
    with pytest.raises(NotCheckable, match="under another pseudonym key"):
        tables.forgotten_stays_forgotten(evidence(storage))


def test_a_forgotten_record_that_is_still_there_is_counted_by_table(storage):
    forget(storage, read(storage, "raw_corpus", "notes/1")["record_id"][0])
    found = tables.forgotten_stays_forgotten(evidence(storage))
    assert found.failures >= 6
    assert "duplicate_clusters: 1 rows of data" in found.detail


def test_forgotten_records_that_are_gone_break_nothing(storage):
    forget(storage, "f" * 32)
    assert tables.forgotten_stays_forgotten(evidence(storage)).failures == 0
