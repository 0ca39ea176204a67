import pytest
from sqlalchemy import create_engine, text
from support.reading import list_batches, read_only_batch

from fineline.resources.core.recipe.sources import Columns, Sql
from fineline.resources.data.formats.rows import PassingError, SourceError

QUERY = "SELECT question, answer, topic FROM answers ORDER BY id"


@pytest.fixture
def uri(tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path}/answers.db"
    monkeypatch.setenv("ANSWERS", uri)
    change(uri, "CREATE TABLE answers (id INTEGER, question TEXT, answer TEXT, topic TEXT)")
    rows = [f"({n}, 'What is {n} + 1?', {n + 1 if n % 500 else 'NULL'}, 'sums')" for n in range(2500)]
    change(uri, f"INSERT INTO answers VALUES {', '.join(rows)}")
    return uri


def change(uri, statement):
    engine = create_engine(uri)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def source(query=QUERY, **options):
    return Sql(name="answers", kind="sql", licence="MIT", uri_variable="ANSWERS", query=query, **options)


def test_the_rows_of_a_query_become_records_and_those_that_are_none_are_kept(uri):
    rows = read_only_batch(source(columns=Columns(prompt="question", completion="answer", label="topic")))
    assert (rows.records.height, rows.unreadable.height) == (2495, 5)
    assert rows.records["completion"][0][0]["content"] == "2"
    assert rows.unreadable["reason"].unique().to_list() == [
        "column 'answer' is missing or null, not a list of messages"
    ]
    assert rows.unreadable["location"].to_list() == [f"row {n}" for n in (1, 501, 1001, 1501, 2001)]
    assert rows.records["label"].unique().to_list() == ["sums"]


def test_messages_stored_as_json_are_read(uri):
    messages = '[{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]'
    rows = read_only_batch(source(f"SELECT '{messages}' AS messages"))
    assert rows.records["completion"][0][0]["content"] == "Because."


def test_a_batch_is_the_query_and_follows_its_version(uri):
    plain, watched = source(), source(version="SELECT count(*) FROM answers")
    before = [list_batches(plain), list_batches(watched)]
    change(uri, "DELETE FROM answers WHERE id = 7")
    assert list_batches(plain) == before[0]
    assert list_batches(watched) != before[1]
    assert list_batches(source(QUERY + " DESC")) != before[0]


def test_a_query_that_gives_nothing_is_told(uri):
    with pytest.raises(SourceError, match="answers/query holds no rows") as refusal:
        read_only_batch(source("SELECT question, answer FROM answers WHERE id < 0"))
    assert not isinstance(refusal.value, PassingError)


def test_a_query_that_is_wrong_is_told(uri):
    with pytest.raises(PassingError, match=r"the database refused: no such table: question.* Correct the query"):
        read_only_batch(source("SELECT * FROM questions"))


def test_an_address_that_is_not_set_is_told():
    with pytest.raises(PassingError, match="the environment variable ANSWERS is not set"):
        list_batches(source())


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("nonsense with a Secret", "ANSWERS holds no address that SQLAlchemy understands"),
        ("sqlite://me:pass:word@host:Secret/db", "ANSWERS holds no address that SQLAlchemy understands"),
        ("postgresql://me:p@Secret/db@host/db", "ANSWERS holds no address that SQLAlchemy understands"),
        ("nosuch://me:Secret@host/db", "ANSWERS holds no address that SQLAlchemy understands"),
        ("mysql+aiomysql://me:Secret@host/db", "needs the package aiomysql"),
        ("sqlite:////nowhere/Secret/answers.db", "the database refused: unable to open database file"),
    ],
)
def test_an_address_that_cannot_be_used_is_told_without_its_password(monkeypatch, uri, message):
    monkeypatch.setenv("ANSWERS", uri)
    with pytest.raises(PassingError, match=message) as refusal:
        read_only_batch(source())
    assert "Secret" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_a_connection_that_is_lost_may_pass(uri, monkeypatch):
    def lost(*_, **__):
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr("polars.read_database", lost)
    with pytest.raises(PassingError, match=r"cannot be read \(ConnectionResetError\)"):
        read_only_batch(source())
