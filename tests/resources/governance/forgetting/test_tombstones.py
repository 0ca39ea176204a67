import polars as pl
import pytest
from support.records import record, records

from fineline.data_contracts.forgetting import Tombstone
from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.storage.store import Storage
from fineline.resources.data.ingestion.ingest import ingest
from fineline.resources.data.shapes.content import UNREADABLE_SCHEMA, BatchRows
from fineline.resources.governance.forgetting import tombstones as stones
from fineline.resources.governance.forgetting.request import ForgettingError
from fineline.resources.governance.forgetting.texts import fold
from fineline.resources.governance.forgetting.tombstones import Tombstones

KEY = PseudonymKey(b"k" * 32)
PERSON = "Margaret Thompson"
ABOUT = record("Ask Margaret Thompson about the door.")
OTHER = record("Ask somebody else about the door.")


@pytest.fixture
def storage(tmp_path):
    return Storage(tmp_path / "root")


def forgotten(storage, *tables):
    stones.add(storage, pl.concat(tables))
    return Tombstones.load(storage, KEY)


def texts(*given):
    return stones.of_texts(KEY, "R-17", fold(list(given)))


def rows(*given, unreadable=()):
    raw = [(f"{number:032x}", "line 1", "broken", text) for number, text in enumerate(unreadable)]
    return BatchRows(records(*given), pl.DataFrame(raw, schema=UNREADABLE_SCHEMA, orient="row"))


def ingested(stones, *given, unreadable=()):
    (made,) = ingest([rows(*given, unreadable=unreadable)], "notes", "notes/a.jsonl", forgotten=stones)
    return made


def test_without_tombstones_there_is_nothing_to_recognise(storage):
    assert Tombstones.load(storage, KEY) is None


def test_a_forgotten_record_becomes_a_drop_under_its_tombstone_and_the_sums_close(storage):
    stones_of = forgotten(storage, stones.of_records(KEY, "R-17", [ABOUT["record_id"]]))
    made = ingested(stones_of, ABOUT, OTHER, ABOUT)
    assert made.frame["record_id"].to_list() == [OTHER["record_id"]]
    hidden = KEY.tombstone(ABOUT["record_id"])
    assert made.drops.select("record_id", "rule").rows() == [(hidden, "forgotten")] * 2
    assert made.side_tables["rows_read"].select("record_id", "copy").rows() == [
        (OTHER["record_id"], 0),
        (hidden, 0),
        (hidden, 1),
    ]
    assert made.rows_in == 3 == made.frame.height + made.drops.height


@pytest.mark.parametrize(
    "changed",
    [
        "Then MARGARET\n\nthompson came.",
        "margaret.thompson@example.org",
        '{"by": "Margaret\\nThompson"}',
        "by _Margaret_ Thompson",
    ],
)
def test_another_record_that_says_a_forgotten_text_is_stopped_too(storage, changed):
    made = ingested(forgotten(storage, texts(PERSON)), OTHER, record(changed))
    assert made.frame["record_id"].to_list() == [OTHER["record_id"]]
    assert made.drops["rule"].to_list() == ["forgotten"]


@pytest.mark.parametrize("harmless", ["Margaret met Thompson.", "Thompson Margaret", "Margaretta Thompsonian"])
def test_records_that_say_it_otherwise_come_in(storage, harmless):
    assert ingested(forgotten(storage, texts(PERSON)), record(harmless)).frame.height == 1


def test_metadata_and_rows_that_cannot_be_read_are_looked_through(storage):
    stones_of = forgotten(storage, texts("Jörg Öztürk"))
    made = ingested(
        stones_of, record("x", metadata='{"by": "J\\u00f6rg \\u00d6zt\\u00fcrk"}'), unreadable=['{"by": "Jörg Öztürk']
    )
    assert made.frame.is_empty()
    assert made.quarantine.is_empty()
    assert made.drops["rule"].to_list() == ["forgotten"] * 2


def test_nothing_of_a_forgotten_source_comes_in(storage):
    stones_of = forgotten(storage, stones.of_source(KEY, "R-19", "notes"))
    assert ingested(stones_of, ABOUT, OTHER).frame.is_empty()
    (made,) = ingest([rows(ABOUT)], "others", "others/a.jsonl", forgotten=stones_of)
    assert made.frame.height == 1


def test_the_same_request_adds_its_tombstones_once_and_they_say_nothing(storage):
    for _ in range(2):
        stones.add(storage, texts(PERSON, "Ada"))
        stones.add(storage, stones.of_records(KEY, "R-17", [ABOUT["record_id"]]))
    table = stones.read(storage)
    assert table.height == 3
    assert Tombstone.is_valid(table)
    content = (storage.local.folder / "forgotten" / "tombstones.parquet").read_bytes() + table.write_ndjson().encode()
    for said in ("Margaret", "margaret", "Ada", ABOUT["record_id"]):
        assert said.encode() not in content


def test_with_another_key_nothing_may_come_in_unrecognised(storage):
    stones.add(storage, texts(PERSON))
    with pytest.raises(ForgettingError, match="bring back the key"):
        Tombstones.load(storage, PseudonymKey(b"other" * 8))
