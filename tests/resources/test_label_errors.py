import csv
import gzip
import random
from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pytest

from fineline.data_contracts.curation import LabelIssue
from fineline.data_contracts.records import Record
from fineline.resources.label_errors import find_label_issues
from fineline.resources.minhash import content_hash
from fineline.resources.recipe_data import Quality

SECTION = Quality(label_folds=3)


def records_of(rows: Iterable[tuple[str, str | None]], source: str = "corpus") -> pl.DataFrame:
    made = [
        {
            "record_id": content_hash(f"{source} {number}"),
            "source": source,
            "batch": f"{source}/part",
            "kind": "text",
            "prompt": [],
            "completion": [{"role": "assistant", "content": text}],
            "rejected": None,
            "tools": None,
            "label": label,
            "group": None,
            "licence": "CC0-1.0",
            "metadata": "{}",
        }
        for number, (text, label) in enumerate(rows)
    ]
    return pl.DataFrame(made, schema=Record.create_empty().schema)


def animals(count: int = 30) -> list[tuple[str, str | None]]:
    draw = random.Random(0)
    words = {"cat": ["purrs", "meows", "whiskers", "claws"], "dog": ["barks", "fetches", "leash", "tail"]}
    return [(" ".join(draw.choices(words[label], k=6)), label) for _ in range(count) for label in sorted(words)]


def test_wrong_labels_are_found_and_the_right_ones_suggested():
    rows = animals()
    wrong = {3, 20, 41}
    flipped = {"cat": "dog", "dog": "cat"}
    records = records_of((text, flipped[str(label)] if i in wrong else label) for i, (text, label) in enumerate(rows))
    issues = LabelIssue.validate(find_label_issues(records, SECTION))
    found = issues.filter("is_issue")
    assert set(found["record_id"]) == {records["record_id"][i] for i in wrong}
    assert (found["suggested_label"] != found["label"]).all()
    assert found["label_quality"].max() < issues.filter(~pl.col("is_issue"))["label_quality"].min()


def test_every_usable_label_is_judged_once():
    records = records_of(animals())
    assert sorted(find_label_issues(records, SECTION)["record_id"]) == sorted(records["record_id"])


def test_records_without_a_label_are_left_out():
    records = records_of([*animals(), ("purrs", None)])
    assert find_label_issues(records, SECTION).height == records.height - 1


def test_labels_with_fewer_records_than_folds_are_left_out():
    records = records_of([*animals(), ("swims", "fish"), ("swims", "fish")])
    assert "fish" not in find_label_issues(records, SECTION)["label"]


@pytest.mark.parametrize(
    "rows", [[], [("purrs", None)], [("purrs", "cat")] * 9, [("purrs", "cat")] * 9 + [("barks", "dog")]]
)
def test_a_source_with_fewer_than_two_usable_labels_has_no_rows(rows: list[tuple[str, str | None]]):
    issues = find_label_issues(records_of(rows), SECTION)
    assert issues.is_empty()
    assert issues.schema == LabelIssue.create_empty().schema


def test_each_source_is_judged_by_itself():
    cats = records_of(animals(), "cats")
    others = records_of([(text, {"cat": "yes", "dog": "no"}[str(label)]) for text, label in animals()], "others")
    together = find_label_issues(pl.concat([others, cats]), SECTION)
    assert together.filter(source="cats").equals(find_label_issues(cats, SECTION))


def test_the_order_of_the_input_does_not_matter():
    records = records_of(animals())
    assert find_label_issues(records, SECTION).equals(
        find_label_issues(records.sort("record_id", descending=True), SECTION)
    )


@pytest.mark.real_data
def test_flipped_labels_of_real_bank_questions_are_found(shared_data: Path):
    with gzip.open(shared_data / "labels" / "banking77_train.csv.gz", "rt") as file:
        rows = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    intents = sorted({label for _, label in rows})[:10]
    rows = [row for row in rows if row[1] in intents]
    draw = random.Random(0)
    wrong = set(draw.sample(range(len(rows)), len(rows) // 10))
    flipped = [
        (text, draw.choice([other for other in intents if other != label]) if i in wrong else label)
        for i, (text, label) in enumerate(rows)
    ]
    records = records_of(flipped)
    found = set(find_label_issues(records, Quality()).filter("is_issue")["record_id"])
    planted = {records["record_id"][i] for i in wrong}
    assert len(rows) > 1400
    assert len(found & planted) / len(found) >= 0.85
    assert len(found & planted) / len(planted) >= 0.75
