import pytest
from pydantic import TypeAdapter
from sqlalchemy import create_engine, text
from support.mailbox import answers_of, key_for

from fineline.resources.core.recipe.sources import Sql
from fineline.resources.core.storage.store import Storage
from fineline.resources.data.ingestion.registry import KEY
from fineline.resources.data.ingestion.scan import scan_sources
from fineline.resources.data.sources.batch import Bound

STORED = TypeAdapter(Bound)


@pytest.fixture
def answers(tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path}/answers.db"
    monkeypatch.setenv("ANSWERS", uri)

    def change(statement):
        engine = create_engine(uri)
        with engine.begin() as connection:
            connection.execute(text(statement))
        engine.dispose()

    return change


def table(**options):
    query = "SELECT id, question, answer FROM answers;"
    given = {"uri_variable": "ANSWERS", "query": query, "increment": "id"} | options
    return Sql(name="table", kind="sql", licence="MIT", **given)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("INTEGER", ["-3", "9", "10", "11"]),
        ("REAL", ["-0.5", "1.25", "2.5", "1e10"]),
        (
            "TEXT",
            ["'2026-01-01 10:00:00'", "'2026-01-01 10:00:01.5'", "'2026-02-01 00:00:00'", "'2027-01-01 00:00:00'"],
        ),
        ("TEXT", ["'a/b'", "'a_b'", "'b''); DROP TABLE answers; --'", "'c...d'"]),
    ],
)
def test_rows_above_the_highest_value_so_far_are_a_batch_that_can_be_read_again(tmp_path, answers, kind, values):
    answers(f"CREATE TABLE answers (id {kind}, question TEXT, answer TEXT)")
    storage, source = Storage(tmp_path / "root"), table()
    assert scan_sources(storage, [source]).empty == ["table"]
    keys = []
    for n, value in enumerate(values):
        answers(f"INSERT INTO answers VALUES ({value}, 'Why?', 'Because {n}.')")
        found = scan_sources(storage, [source])
        assert scan_sources(storage, [source]).versions == found.versions
        [key] = set(found.versions) - set(keys)
        keys.append(key)
    assert len(keys) == len(set(keys)) == 4
    assert all(KEY.fullmatch(key) for key in keys)
    assert [answers_of(storage, source, key) for key in keys] == [[f"Because {n}."] for n in range(4)]


def test_increments_are_named_by_their_bounds_and_come_in_order(tmp_path, answers):
    answers("CREATE TABLE answers (id INTEGER, question TEXT, answer TEXT)")
    storage, source = Storage(tmp_path / "root"), table()
    for ids in ([3, 1, 2], [7, 5]):
        for n in ids:
            answers(f"INSERT INTO answers VALUES ({n}, 'Why?', 'Because {n}.')")
        found = scan_sources(storage, [source])
    assert {found.names[key] for key in found.versions} == {"table/3..7", "table/start..3"}
    assert answers_of(storage, source, key_for(storage, "table", "3..7")) == ["Because 5.", "Because 7."]
    answers("INSERT INTO answers VALUES (4, 'Why?', 'Too late.'), (NULL, 'Why?', 'Never.')")
    assert scan_sources(storage, [source]).versions == found.versions, "rows below the mark are not seen"


def test_a_database_is_asked_once_a_minute_and_keeps_its_batches_when_it_cannot_be(tmp_path, answers, monkeypatch):
    answers("CREATE TABLE answers (id INTEGER, question TEXT, answer TEXT)")
    answers("INSERT INTO answers VALUES (1, 'Why?', 'Because.')")
    storage, source = Storage(tmp_path / "root"), table()
    before = scan_sources(storage, [source], now=1000.0).versions
    answers("INSERT INTO answers VALUES (2, 'Why?', 'So.')")
    assert scan_sources(storage, [source], now=1030.0, ask=False).versions == before
    answers("ALTER TABLE answers RENAME TO other")
    found = scan_sources(storage, [source], now=1070.0, ask=False)
    assert found.versions == before
    assert "no such table" in found.obstacles["table"]
    assert scan_sources(storage, [source], now=1080.0, ask=False).obstacles == found.obstacles
    answers("ALTER TABLE other RENAME TO answers")
    assert len(scan_sources(storage, [source], now=1140.0, ask=False).versions) == 2


def test_a_column_that_holds_nothing_that_rises_is_told(tmp_path, answers):
    answers("CREATE TABLE answers (id BLOB, question TEXT, answer TEXT)")
    answers("INSERT INTO answers VALUES (x'00', 'Why?', 'Because.')")
    found = scan_sources(Storage(tmp_path / "root"), [table()])
    assert "the column id, its increment, is of type bytes" in found.obstacles["table"]
    assert "no such column" in scan_sources(Storage(tmp_path / "root"), [table(increment="nope")]).obstacles["table"]


@pytest.mark.parametrize("value", [3, -1.5, "text", "2026-01-01"])
def test_bounds_keep_their_type(value):
    assert STORED.validate_json(STORED.dump_json(Bound.of(value))).value == value


def test_bounds_of_times_keep_their_type_and_zone():
    from datetime import UTC, date, datetime
    from decimal import Decimal

    for value in (
        datetime(2026, 1, 2, 3, 4, 5, 6),
        datetime(2026, 1, 2, tzinfo=UTC),
        date(2026, 1, 2),
        Decimal("1.50"),
    ):
        again = STORED.validate_json(STORED.dump_json(Bound.of(value))).value
        assert (type(again), again) == (type(value), value)


def test_a_table_is_read_whole_or_in_increments():
    with pytest.raises(ValueError, match="not both"):
        table(version="SELECT count(*) FROM answers")
