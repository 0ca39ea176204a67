import polars as pl
import pytest
from support.records import record, records

from fineline.resources.data.curation.composition import composition, topics

PETS = ["My cat purrs at night", "Feed the kitten twice", "Our cat chases every kitten", "The kitten and the cat sleep"]
MONEY = [
    "The bank raised the interest",
    "Interest on a loan",
    "Ask the bank for a loan",
    "A loan from a bank costs interest",
]


def test_topics_are_counted_and_named_by_their_own_words():
    table = records(*[record(text, kind="text", prompt=[]) for text in [*PETS, *MONEY, "The cat has a kitten"]])
    found = topics(table.lazy(), 2)
    assert found["records"].to_list() == [5, 4]
    pets, money = (set(name.split(", ")) for name in found["topic"])
    assert {"cat", "kitten"} < pets
    assert {"bank", "loan"} < money
    assert topics(table.sample(fraction=1.0, shuffle=True, seed=1).lazy(), 2).equals(found)


def test_fewer_texts_than_topics_are_topics_of_their_own():
    table = records(record("cat", kind="text", prompt=[]), record("12", kind="text", prompt=[]))
    assert set(topics(table.lazy(), 5)["topic"]) == {"cat", "no words"}
    assert topics(table.clear().lazy(), 5).schema == topics(table.lazy(), 5).schema == {
        "topic": pl.String, "records": pl.UInt32, "share": pl.Float64,
    }  # fmt: skip


def records_of(source: str, count: int, label: str | None = None) -> pl.DataFrame:
    return records(*[record(f"answer {n}", source=source, label=label) for n in range(count)])


def test_the_composition_counts_sources_labels_and_lengths():
    table = pl.concat([records_of("a", 3, "x"), records_of("b", 1)])
    assert composition(table.lazy()).select("by", "value", "records", "share").rows() == [
        ("source", "a", 3, 0.75),
        ("source", "b", 1, 0.25),
        ("label", "a: x", 3, 0.75),
        ("length", "up to 100 characters", 4, 1.0),
    ]
    assert composition(table.clear().lazy()).is_empty()


@pytest.mark.parametrize(("length", "band"), [(100, "up to 100"), (101, "up to 500"), (9000, "over 8000")])
def test_a_length_band_is_of_characters(length: int, band: str):
    bands = composition(records(record("x" * length)).lazy()).filter(by="length")["value"]
    assert bands.to_list() == [f"{band} characters"]
