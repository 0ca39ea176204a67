import csv
import gzip
import random
from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pytest
from support.hashes import content_hash

from fineline.data_contracts.curation import LabelIssue
from fineline.data_contracts.records import Record
from fineline.resources.core.recipe.curation import Labels
from fineline.resources.data.curation.label_reuse import judge_labels

SECTION = Labels(folds=3, features="words")


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


def issues_of(records: pl.DataFrame, section: Labels) -> pl.DataFrame:
    return judge_labels(records, section).issues


def animals(count: int = 30) -> list[tuple[str, str | None]]:
    draw = random.Random(0)
    words = {"cat": ["purrs", "meows", "whiskers", "claws"], "dog": ["barks", "fetches", "leash", "tail"]}
    return [(" ".join(draw.choices(words[label], k=6)), label) for _ in range(count) for label in sorted(words)]


def test_wrong_labels_are_found_and_the_right_ones_suggested():
    rows = animals()
    wrong = {3, 20, 41}
    flipped = {"cat": "dog", "dog": "cat"}
    records = records_of((text, flipped[str(label)] if i in wrong else label) for i, (text, label) in enumerate(rows))
    issues = LabelIssue.validate(issues_of(records, SECTION))
    found = issues.filter("is_issue")
    assert set(found["record_id"]) == {records["record_id"][i] for i in wrong}
    assert (found["suggested_label"] != found["label"]).all()
    assert found["label_quality"].max() < issues.filter(~pl.col("is_issue"))["label_quality"].min()


def test_every_usable_label_is_judged_once():
    records = records_of(animals())
    assert sorted(issues_of(records, SECTION)["record_id"]) == sorted(records["record_id"])


def test_records_without_a_label_are_left_out():
    records = records_of([*animals(), ("purrs", None)])
    assert issues_of(records, SECTION).height == records.height - 1


def test_labels_with_fewer_records_than_folds_are_left_out():
    records = records_of([*animals(), ("swims", "fish"), ("swims", "fish")])
    assert "fish" not in issues_of(records, SECTION)["label"]


@pytest.mark.parametrize(
    "rows", [[], [("purrs", None)], [("purrs", "cat")] * 9, [("purrs", "cat")] * 9 + [("barks", "dog")]]
)
def test_a_source_with_fewer_than_two_usable_labels_has_no_rows(rows: list[tuple[str, str | None]]):
    issues = issues_of(records_of(rows), SECTION)
    assert issues.is_empty()
    assert issues.schema == LabelIssue.create_empty().schema


def test_each_source_is_judged_by_itself():
    cats = records_of(animals(), "cats")
    others = records_of([(text, {"cat": "yes", "dog": "no"}[str(label)]) for text, label in animals()], "others")
    together = issues_of(pl.concat([others, cats]), SECTION)
    assert together.filter(source="cats").equals(issues_of(cats, SECTION))


def test_the_order_of_the_input_does_not_matter():
    records = records_of(animals())
    assert issues_of(records, SECTION).equals(issues_of(records.sort("record_id", descending=True), SECTION))


def test_embeddings_find_a_wrong_label_whose_words_are_new():
    cats = [f"My {animal} {does}." for animal in ("cat", "kitten", "tabby") for does in ("purrs", "naps", "hunts mice")]
    cars = [f"The {vehicle} {does}." for vehicle in ("car", "truck", "van") for does in ("stalls", "brakes", "parks")]
    rows = [*[(text, "pets") for text in cats], *[(text, "traffic") for text in cars], ("A siamese meows.", "traffic")]
    records = records_of(rows)
    worst = issues_of(records, Labels(folds=3)).sort("label_quality").row(0, named=True)
    assert (worst["record_id"], worst["suggested_label"]) == (records["record_id"][-1], "pets")


def test_a_text_unlike_all_others_is_an_outlier():
    rows = [(f"I would like to {verb} my card", verb) for verb in ("freeze", "replace") for _ in range(12)]
    records = records_of([(f"{text} {number}", label) for number, (text, label) in enumerate(rows)])
    strange = records_of([("zebra galaxies hum in E flat minor", "freeze")], "strange").with_columns(
        source=pl.lit("corpus")
    )
    issues = issues_of(pl.concat([records, strange]), Labels(folds=3))
    assert issues.filter("is_outlier").sort("outlier_score")["record_id"][0] == strange["record_id"].item()


def test_only_the_named_sources_are_judged():
    both = pl.concat([records_of(animals(), "cats"), records_of(animals(), "dogs")])
    judged = issues_of(both, Labels(folds=3, features="words", sources=["dogs"]))
    assert set(judged["source"]) == {"dogs"}


def test_the_rarest_label_is_flagged_if_it_is_rare():
    records = records_of([*animals(60), *[("swims and blubs", "fish")] * 3])
    issues = issues_of(records, SECTION)
    assert set(issues.filter("is_rare_label")["label"]) == {"fish"}


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
    found = set(issues_of(records, Labels()).filter("is_issue")["record_id"])
    planted = {records["record_id"][i] for i in wrong}
    assert len(rows) > 1400
    assert len(found & planted) / len(found) >= 0.85
    assert len(found & planted) / len(planted) >= 0.85
