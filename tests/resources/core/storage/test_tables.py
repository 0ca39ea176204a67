import polars as pl
import pytest
from support.records import record, records

from fineline.data_contracts.records import Record
from fineline.resources.core.storage.disk import DiskRoot
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.table_files import TableFiles
from fineline.resources.core.storage.tables import Origin, TableOutput, dropped, jsonl_bytes, scan_table, write_table
from fineline.resources.data.formats.rows import SourceError


@pytest.fixture
def write(tmp_path):
    storage = Storage(tmp_path)

    def write(made, maximum_quarantine=0.5, batch=None):
        asset, origin = "raw_corpus" if batch else "curated_corpus", Origin("1", {}, "r")
        written = write_table(storage, asset, batch, made, Record, origin, maximum_quarantine=maximum_quarantine)
        return storage, written

    return write


def test_equal_rows_give_an_equal_data_version(write):
    rows = records(record("one answer"), record("two answers"))
    first, second = (write(TableOutput(rows, rows_in=2))[1].manifest.data_version for _ in range(2))
    other = write(TableOutput(rows.head(1), rows_in=1))[1].manifest.data_version
    assert first == second != other


def test_bad_rows_go_to_quarantine_whole_with_their_rule(write):
    rows = records(record(), record(" ", question="Why?"))
    storage, written = write(TableOutput(rows, rows_in=2))
    kept = scan_table(storage, "curated_corpus").collect()
    quarantine = scan_table(storage, "curated_corpus", role="quarantine").collect()
    drops = scan_table(storage, "curated_corpus", role="drops").collect()
    assert kept["record_id"].to_list() == rows["record_id"].to_list()[:1]
    assert quarantine["rule"].to_list() == ["completion_has_text"]
    assert '"Why?"' in quarantine["record"][0]
    assert drops.select("fate", "rule").rows() == [("quarantined", "completion_has_text")]
    assert written.manifest.failed_checks == []


def test_more_bad_rows_than_the_recipe_allows_fail_the_contract_check(write):
    rows = records(record(), record(" ", question="Why?"))
    _, written = write(TableOutput(rows, rows_in=2), maximum_quarantine=0.4)
    assert written.manifest.failed_checks == ["under_contract"]


def test_a_row_that_vanished_fails_the_accounting_check(write):
    rows = records(record("one answer"), record("two answers"))
    _, written = write(TableOutput(rows.head(1), rows_in=2))
    assert written.manifest.failed_checks == ["accounted_for"]
    explained = TableOutput(rows.head(1), rows_in=2, drops=dropped(rows.tail(1), "corpus", "too_dull"))
    _, written = write(explained)
    assert written.manifest.failed_checks == []


def test_a_table_in_parts_is_one_table_with_the_sums_of_their_counts(write):
    one, two = (records(record(f"{word} answers"), record(" ")) for word in ("one", "two"))
    parts = (
        TableOutput(rows, rows_in=2, side_tables={"notes": rows.select("source")}, facts={"seen": 2})
        for rows in (one, two)
    )
    storage, written = write(parts)
    assert scan_table(storage, "curated_corpus").collect()["record_id"].to_list() == [
        one["record_id"][0],
        two["record_id"][0],
    ]
    assert scan_table(storage, "curated_corpus", role="notes").collect().height == 4
    manifest = written.manifest
    assert (manifest.rows_in, manifest.rows, manifest.quarantined, manifest.facts) == (4, 2, 2, {"seen": 4})
    assert manifest.failed_checks == []


def test_one_primary_key_in_two_parts_fails_the_contract_check(write):
    one = TableOutput(records(record("one answer")), rows_in=1)
    _, written = write([one, one])
    assert written.manifest.failed_checks == ["under_contract"]
    assert written.broken_rules == {"primary_key": 1}


def test_a_part_that_fails_leaves_the_table_as_it_was(write):
    rows = records(record("one answer"))
    storage, before = write(TableOutput(rows, rows_in=1))

    def parts():
        yield TableOutput(records(record("another answer")), rows_in=1)
        raise SourceError("the file breaks off")

    with pytest.raises(SourceError):
        write(parts())
    assert storage.manifest("curated_corpus") == before.manifest
    kept = {"manifest.json", *before.manifest.contents}
    assert {*storage.root.names("assets/curated_corpus")} == kept


def test_every_type_of_column_comes_back_as_it_was_written(tmp_path):
    frame = pl.DataFrame(
        {"signature": [[1, 2]], "kind": ["a"], "when": [1], "hash": [b"x"], "same": [None]},
        schema={
            "signature": pl.Array(pl.UInt32, 2),
            "kind": pl.Enum(["b", "a"]),
            "when": pl.Datetime("us"),
            "hash": pl.Binary,
            "same": pl.List(pl.Struct({"x": pl.UInt64})),
        },
    )
    root = DiskRoot(tmp_path)
    with TableFiles(root, "a") as files:
        files.append("data", frame.clear())
        files.append("data", frame)
        stored = files.finish()["data", None]
    assert root.scan([f"a/{stored.name}"]).collect().equals(frame)
    assert root.scan([f"a/{stored.name}"]).collect_schema() == frame.schema
    assert stored.name == f"data-{stored.digest[:16]}.parquet"


def test_batches_are_read_one_after_the_other(write):
    rows = records(record("one answer"), record("two answers"))
    write(TableOutput(rows.head(1), rows_in=1), batch="notes/a b")
    storage, _ = write(TableOutput(rows.tail(1), rows_in=1), batch="notes/2")
    both = scan_table(storage, "raw_corpus", ["notes/2", "notes/a b"]).collect()
    assert both["record_id"].to_list() == rows["record_id"].to_list()[::-1]


def test_json_lines_keep_messages_and_letters_as_they_are():
    rows = pl.DataFrame({"prompt": [[{"role": "user", "content": "Größe?\n"}]]})
    assert jsonl_bytes(rows).decode() == '{"prompt": [{"role": "user", "content": "Größe?\\n"}]}\n'
