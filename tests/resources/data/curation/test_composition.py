import polars as pl
from support.records import record, records

from fineline.resources.data.curation.composition import topics

PETS = ["My cat purrs at night", "Feed the kitten twice", "Our cat chases every kitten", "The kitten and the cat sleep"]
MONEY = [
    "The bank raised the interest",
    "Interest on a loan",
    "Ask the bank for a loan",
    "A loan from a bank costs interest",
]


def test_topics_are_counted_and_called_by_their_own_words():
    table = records(*[record(text, kind="text", prompt=[]) for text in [*PETS, *MONEY, "The cat has a kitten"]])
    found = topics(table, 2)
    assert found["records"].to_list() == [5, 4]
    pets, money = (set(name.split(", ")) for name in found["topic"])
    assert {"cat", "kitten"} < pets
    assert {"bank", "loan"} < money
    assert topics(table.sample(fraction=1.0, shuffle=True, seed=1), 2).equals(found)


def test_fewer_texts_than_topics_are_topics_of_their_own():
    table = records(record("cat", kind="text", prompt=[]), record("12", kind="text", prompt=[]))
    assert set(topics(table, 5)["topic"]) == {"cat", "no words"}
    assert topics(table.clear(), 5).schema == topics(table, 5).schema == {
        "topic": pl.String, "records": pl.UInt32, "share": pl.Float64,
    }  # fmt: skip
