"""Tables of all batches, stored in one file a batch."""

from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.memory_root import MemoryRoot
from support.records import record, records

from fineline.data_contracts.records import CuratedRecord
from fineline.resources.core.storage import layout, parquet
from fineline.resources.core.storage.checking import QUARANTINE_SCHEMA
from fineline.resources.core.storage.integrity import find_damaged
from fineline.resources.core.storage.store import Damaged
from fineline.resources.core.storage.table_files import TableFiles
from fineline.resources.core.storage.tables import Origin, TableOutput, dropped, scan_table, store_part, write_table

ASSET = "curated_corpus"


def rows(batch, *numbers):
    table = records(*(record(f"answer {number}", batch=batch) for number in numbers))
    names = pl.col("record_id")
    return table.with_columns(replacements=pl.lit(1, pl.UInt32), cluster=names, family=names).select(
        CuratedRecord.column_names()
    )


def write(storage, output):
    return write_table(storage, ASSET, None, output, CuratedRecord, Origin("1", {}, "r"), maximum_quarantine=1).manifest


def whole(*batches):
    """An output of some batches at once."""
    table = pl.concat(batches)
    return TableOutput(table, table.height)


def test_a_table_of_all_batches_has_a_file_a_batch_and_is_read_in_their_order(storage):
    stored = write(storage, whole(rows("notes/2", 4, 3), rows("notes/1", 2, 1)))
    assert stored.files_by_batch["data"].keys() == {"notes/1", "notes/2"}
    assert stored.roles == ["drops", "quarantine", "data"], "a role without a row has one empty file"
    assert scan_table(storage, ASSET).collect().equals(pl.concat([rows("notes/1", 2, 1), rows("notes/2", 4, 3)]))


def test_some_batches_are_read_alone(storage):
    write(storage, whole(rows("notes/1", 1), rows("notes/2", 2)))
    assert scan_table(storage, ASSET, ["notes/2"]).collect().equals(rows("notes/2", 2))
    nothing = scan_table(storage, ASSET, ["notes/3"]).collect()
    assert nothing.equals(rows("notes/1", 1).clear())
    assert scan_table(storage, ASSET, ["notes/1"], "drops").collect().is_empty()


def test_a_batch_whose_rows_are_as_before_keeps_its_file_untouched(storage):
    first = write(storage, whole(rows("notes/1", 1), rows("notes/2", 2)))
    key = f"{layout.folder(ASSET)}/{first.files_by_batch['data']['notes/1']}"
    (before,) = storage.root.list(key)
    second = write(storage, whole(rows("notes/1", 1), rows("notes/2", 3)))
    assert second.files_by_batch["data"]["notes/1"] == first.files_by_batch["data"]["notes/1"]
    assert second.files_by_batch["data"]["notes/2"] != first.files_by_batch["data"]["notes/2"]
    assert second.data_version != first.data_version
    assert list(storage.root.list(key)) == [before]
    assert {*storage.root.names(layout.folder(ASSET))} == {layout.MANIFEST, *second.contents}


def test_a_damaged_file_with_the_same_rows_is_written_again(storage):
    stored = write(storage, whole(rows("notes/1", 1), rows("notes/2", 2)))
    key = f"{layout.folder(ASSET)}/{stored.files_by_batch['data']['notes/2']}"
    storage.root.put(key, b"damaged")
    assert find_damaged(storage, stored, "data", ["notes/1"]) is None
    scan_table(storage, ASSET, ["notes/1"], verified=True)
    with pytest.raises(Damaged, match=stored.files_by_batch["data"]["notes/2"]):
        scan_table(storage, ASSET, verified=True)
    assert storage.manifest(ASSET) is None
    assert write(storage, whole(rows("notes/1", 1), rows("notes/2", 2))).data_version == stored.data_version
    assert scan_table(storage, ASSET, verified=True).collect().height == 2


def test_the_version_is_that_of_the_rows_whatever_parts_they_come_in(storage):
    one, two = rows("notes/1", 1, 2, 3), rows("notes/2", 4)
    expected = write(storage, whole(one, two))

    def ahead(batch, *tables):
        return store_part(storage, ASSET, batch, whole(*tables))

    ways = [
        lambda: [whole(one), whole(two)],
        lambda: [whole(one.head(2)), whole(one.tail(1)), whole(two)],
        lambda: [whole(two), whole(one)],
        lambda: [ahead("notes/1", one), ahead("notes/2", two)],
        lambda: [ahead("notes/1", one.head(2)), whole(one.tail(1)), whole(two)],
        lambda: [ahead(None, one, two)],
    ]
    for parts in ways:
        stored = write(storage, parts())
        assert stored.data_version == expected.data_version
        assert stored.files_by_batch == expected.files_by_batch


def test_the_parts_of_a_batch_follow_one_another(storage):
    one, two = rows("notes/1", 1, 2), rows("notes/2", 3)
    with pytest.raises(ValueError, match="batch notes/1 do not follow one another"):
        write(storage, [whole(one.head(1)), whole(two), whole(one.tail(1))])
    assert storage.manifest(ASSET) is None
    with pytest.raises(ValueError, match="rows of other batches than notes/1"):
        store_part(storage, ASSET, "notes/1", whole(one, two))


def test_drops_and_side_tables_that_name_a_batch_are_stored_by_it_and_others_whole(storage):
    table = rows("notes/1", 1, 2)
    broken = rows("notes/2", 3).with_columns(licence=pl.lit(""))
    unreadable = pl.DataFrame([{"rule": "unreadable", "record": "{}"}], schema=QUARANTINE_SCHEMA)
    output = TableOutput(
        pl.concat([table, broken]),
        5,
        dropped(table.head(1), ASSET, "too_dull"),
        unreadable,
        side_tables={"features": table.select("record_id", "batch"), "pairs": table.select("record_id")},
    )
    stored = write(storage, output)
    assert {role: {*names} for role, names in stored.files_by_batch.items()} == {
        "data": {"notes/1"},
        "drops": {"", "notes/1", "notes/2"},
        "quarantine": {"", "notes/2"},
        "features": {"notes/1"},
    }
    assert stored.files.keys() == {"pairs"}
    assert scan_table(storage, ASSET, ["notes/2"], "quarantine").collect()["rule"].to_list() == ["licence|min_length"]
    assert scan_table(storage, ASSET, role="quarantine").collect().height == 2


def test_a_table_without_a_row_keeps_its_columns(storage):
    stored = write(storage, whole(rows("notes/1", 1).clear()))
    assert stored.files_by_batch == {}
    assert scan_table(storage, ASSET, ["notes/1"]).collect().equals(rows("notes/1", 1).clear())
    assert scan_table(storage, ASSET).collect().is_empty()


@given(cuts=st.lists(st.integers(0, 45), max_size=6))
def test_the_bytes_of_a_file_do_not_depend_on_how_its_rows_were_cut(cuts):
    frame = pl.DataFrame(
        {
            "x": range(45),
            "text": [["a", None, "größer" * 50][n % 3] for n in range(45)],
            "list": [[n, n] for n in range(45)],
        },
        schema_overrides={"x": pl.UInt32},
    ).with_columns(kind=pl.Series(["b", "a", "b"] * 15, dtype=pl.Enum(["a", "b"])))
    edges = [0, *sorted(cuts), 45]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "ROW_GROUP", 10)
        root = MemoryRoot(None)
        names = []
        for pieces in ([frame], [frame[start:stop] for start, stop in pairwise(edges)]):
            with TableFiles(root, "a") as files:
                for piece in pieces:
                    files.add({"data": piece})
                names.append(files.finish()["data", None])
        assert names[0] == names[1]
        groups = [group.height for group in parquet.row_groups(root, f"a/{names[0].name}")]
        assert groups == [10, 10, 10, 10, 5]
