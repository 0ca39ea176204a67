from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import polars as pl
from support.records import record, records

from fineline.data_contracts.records import ScrubbedRecord
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.tables import Origin, TableOutput, dropped, scan_table, store_part, write_table

ASSET, BATCH = "scrubbed_corpus", "notes/1"


def rows(start, stop):
    table = records(*(record(f"answer {number}", batch=BATCH) for number in range(start, stop)))
    return table.with_columns(replacements=pl.lit(1, pl.UInt32))


def output(start, stop):
    """Ten rows or so, the last of which is dropped, and a side table."""
    table = rows(start, stop)
    side = table.select("record_id", "batch", spans=pl.lit(2))
    drops = dropped(table.tail(1), ASSET, "too_dull")
    return TableOutput(table.head(-1), table.height, drops, side_tables={"spans": side}, facts={"spans": 2})


def write(storage, parts):
    origin = Origin("1", {}, "run")
    return write_table(storage, ASSET, BATCH, parts, ScrubbedRecord, origin, maximum_quarantine=0).manifest


def test_stored_parts_give_the_table_that_the_same_parts_give_in_memory(storage):
    cuts = [(0, 5), (5, 12), (12, 20)]
    expected = write(storage, (output(*cut) for cut in cuts))
    parts = [store_part(storage, ASSET, BATCH, output(*cut)) for cut in cuts]
    stored = write(storage, parts)
    assert (stored.data_version, stored.files) == (expected.data_version, expected.files)
    assert (stored.rows_in, stored.rows, stored.dropped, stored.facts) == (20, 17, 3, {"spans": 6})
    assert scan_table(storage, ASSET, [BATCH], "spans").collect().height == 20


def test_only_what_the_manifest_names_stays_of_stored_parts(storage):
    stored = write(storage, [store_part(storage, ASSET, BATCH, output(*cut)) for cut in ((0, 5), (5, 10))])
    assert {*storage.root.names(layout.folder(ASSET, BATCH))} == {layout.MANIFEST, *stored.contents}


def test_the_only_part_of_a_table_is_its_file(storage):
    part = store_part(storage, ASSET, BATCH, output(0, 5))
    stored = write(storage, [part])
    assert stored.files == {role: file.name for role, file in part.files.items()}
    assert write(storage, output(0, 5)).files == stored.files


def test_a_part_that_is_made_twice_is_stored_once(storage):
    part = store_part(storage, ASSET, BATCH, output(0, 5))
    assert store_part(storage, ASSET, BATCH, output(0, 5)) == part
    assert len(storage.root.names(layout.folder(ASSET, BATCH))) == len(part.files)


def test_parts_without_rows_change_nothing(storage):
    nothing = TableOutput(rows(0, 0), 0, side_tables={"spans": output(0, 2).side_tables["spans"].clear()})
    expected = write(storage, output(0, 5))
    stored = write(storage, [store_part(storage, ASSET, BATCH, each) for each in (nothing, output(0, 5), nothing)])
    assert stored.files == expected.files


def test_stored_parts_that_no_table_takes_over_are_gone_once_the_asset_is_stored(storage):
    store_part(storage, ASSET, BATCH, output(0, 5))
    stored = write(storage, output(5, 9))
    assert {*storage.root.names(layout.folder(ASSET, BATCH))} == {layout.MANIFEST, *stored.contents}


def test_a_reader_keeps_the_files_of_the_version_before_where_a_part_of_the_next_has_the_same(storage):
    def undropped(start, stop):
        return store_part(storage, ASSET, BATCH, TableOutput(rows(start, stop), stop - start))

    before = write(storage, [undropped(0, 5)])
    with storage.reading([ASSET]):
        write(storage, [undropped(0, 5), store_part(storage, ASSET, BATCH, output(5, 12))])
        assert [storage.scan(before, role).collect().height for role in ("data", "drops")] == [5, 0]


def test_rows_that_break_the_contract_are_in_quarantine_already_when_their_part_is_stored(storage):
    broken = records(record(" ", batch=BATCH)).with_columns(replacements=pl.lit(1, pl.UInt32))
    part = store_part(storage, ASSET, BATCH, TableOutput(broken, 1))
    assert (part.counts.quarantined, part.counts.broken_rules) == (1, {"completion_has_text": 1})


def test_parts_are_stored_in_processes_of_their_own(tmp_path):
    cuts = [(0, 5), (5, 12), (12, 20)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        units = [(Storage(tmp_path), ASSET, BATCH, output(*cut)) for cut in cuts]
        stored = write(Storage(tmp_path), pool.map(store_part, *zip(*units, strict=True)))
    assert stored.data_version == write(Storage(tmp_path / "other"), (output(*cut) for cut in cuts)).data_version
