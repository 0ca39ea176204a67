from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import polars as pl
import pytest
from support.records import record, records
from support.tables import put

from fineline.data_contracts import catalog
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.units import Rows, Scratch, Snapshot

RAW, CLUSTERS = catalog.RAW_CORPUS.name, catalog.DUPLICATE_CLUSTERS.name
TABLE = records(*[record(f"a {n}", batch="a") for n in range(5)], *[record(f"b {n}", batch="b") for n in range(2)])


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    storage = Storage(tmp_path)
    put(storage, RAW, TABLE)
    clusters = TABLE.select("record_id", "batch", "source", cluster="record_id", family="record_id").with_columns(
        representative=True, reason=pl.lit(None), similarity=pl.lit(None)
    )
    put(storage, CLUSTERS, clusters)
    return storage


def test_units_cover_every_row_of_their_batches_once(storage: Storage):
    snapshot = Snapshot.take(storage, [RAW], ["a", "b"])
    units = snapshot.units(RAW, ["a", "b"], 2)
    assert units == [Rows("a", 0, 2), Rows("a", 2, 2), Rows("a", 4, 1), Rows("b", 0, 2)]
    assert pl.concat([snapshot.read(RAW, unit) for unit in units]).equals(TABLE)


def test_a_batch_of_a_merged_table_has_its_own_rows_alone(storage: Storage):
    snapshot = Snapshot.take(storage, [CLUSTERS], ["a", "b"])
    assert snapshot.scan(CLUSTERS, "b").collect()["record_id"].to_list() == TABLE["record_id"].to_list()[5:]
    assert snapshot.units(CLUSTERS, ["b"], 10) == [Rows("b", 0, 2)]


def test_a_batch_without_rows_is_one_unit(storage: Storage):
    snapshot = Snapshot.take(storage, [CLUSTERS], ["a", "c"])
    assert snapshot.units(CLUSTERS, ["c"], 10) == [Rows("c", 0, 0)]
    assert snapshot.read(CLUSTERS, Rows("c", 0, 0)).is_empty()


def test_a_snapshot_that_was_sent_to_another_process_reads_the_same_rows(storage: Storage):
    snapshot = ForkingPickler.loads(ForkingPickler.dumps(Snapshot.take(storage, [RAW], ["a"])))
    assert snapshot.read(RAW, Rows("a", 3, 2)).equals(TABLE[3:5])


def test_a_snapshot_keeps_its_versions_while_somebody_reads(storage: Storage):
    with storage.reading([RAW]):
        snapshot = Snapshot.take(storage, [RAW], ["b"])
        put(storage, RAW, records(record("new", batch="b")))
        assert snapshot.read(RAW, Rows("b", 0, 2)).equals(TABLE[5:])


def test_scratch_tables_are_read_in_the_order_asked_for_and_gone_in_the_end(storage: Storage):
    one, two = pl.DataFrame({"n": [1, 2]}), pl.DataFrame({"n": [3]})
    with Scratch.of(storage, CLUSTERS) as scratch:
        keys = [scratch.put(each) for each in (two, one, two)]
        assert keys[0] == keys[2], "equal tables have one key"
        assert scratch.read(*keys)["n"].to_list() == [3, 1, 2, 3]
    assert not storage.at.exists(keys[0])
    assert Snapshot.take(storage, [CLUSTERS], []).tables[CLUSTERS], "the asset itself stays"
