import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.hashes import content_hash
from support.records import curated_record

from fineline.data_contracts.curation import SplitAssignment
from fineline.data_contracts.records import CuratedRecord
from fineline.resources.core.recipe.curation import Decontaminate, Deduplicate, Split
from fineline.resources.data.deduplication.signatures import sign
from fineline.resources.data.splitting.assignment import assign
from fineline.resources.data.splitting.leakage import Leakage, measure_leakage, repeated_prompts

SECTION = Deduplicate()
CLEAN = Leakage(groups=0, clusters=0, prompts=0, near_duplicates=0, moved=0)
WORDS = "the quick brown fox jumps over the lazy dog while seven wizards pack a box of liquor jugs"


def row(name: str, text: str | None = None, group: str | None = None, cluster: str | None = None) -> dict[str, Any]:
    return curated_record(text or name, name, group=group, cluster=cluster)


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=CuratedRecord.create_empty().schema)


def placed(splits: dict[str, str]) -> pl.DataFrame:
    rows = [
        {
            "record_id": content_hash(name),
            "batch": "corpus/1",
            "source": "corpus",
            "split": split,
            "split_group": name,
            "stratum": "all",
        }
        for name, split in splits.items()
    ]
    return pl.DataFrame(rows, schema=SplitAssignment.create_empty().schema)


def leaks(curated: pl.DataFrame, splits: dict[str, str], before: dict[str, str] | None = None) -> Leakage:
    previous = None if before is None else placed(before)
    return measure_leakage(curated, placed(splits), SECTION, sign(curated, SECTION), previous)


def test_unrelated_records_in_different_splits_leak_nothing():
    assert leaks(frame(row("a"), row("b"), row("c")), {"a": "train", "b": "test", "c": "validation"}) == CLEAN


def test_a_group_in_two_splits_is_counted_once():
    rows = [row(name, group="g") for name in "abc"]
    assert leaks(frame(*rows), {"a": "train", "b": "test", "c": "validation"}).groups == 1


def test_records_without_a_group_are_no_group():
    assert leaks(frame(row("a"), row("b")), {"a": "train", "b": "test"}).groups == 0


def test_a_cluster_in_two_splits_is_counted():
    rows = [row("a", cluster="c"), row("b", cluster="c")]
    assert leaks(frame(*rows), {"a": "train", "b": "test"}).clusters == 1
    assert leaks(frame(*rows), {"a": "test", "b": "test"}) == CLEAN


def test_a_prompt_in_two_splits_is_counted_where_prompts_belong_together():
    asked = [{"role": "user", "content": "What  is new?"}], [{"role": "user", "content": "what is new?"}]
    rows = [{**row(name, name * 30), "prompt": prompt} for name, prompt in zip("ab", asked, strict=True)]
    splits = {"a": "train", "b": "test"}
    assert leaks(frame(*rows), splits).prompts == 1
    signatures = sign(frame(*rows), SECTION)
    assert measure_leakage(frame(*rows), placed(splits), SECTION, signatures, prompts=False) == CLEAN


def test_near_duplicates_in_two_splits_are_counted_though_their_clusters_differ():
    rows = [row("a", WORDS), row("b", f"{WORDS} again"), row("c", f"{WORDS} twice")]
    assert leaks(frame(*rows), {"a": "train", "b": "test", "c": "test"}).near_duplicates == 2
    assert leaks(frame(*rows), {"a": "train", "b": "train", "c": "train"}) == CLEAN


def test_equal_records_in_two_splits_are_near_duplicates():
    assert leaks(frame(row("a", "yes"), row("b", "YES")), {"a": "train", "b": "test"}).near_duplicates == 1


@pytest.mark.parametrize(
    ("before", "now", "moved"),
    [
        ("train", "test", 1),
        ("test", "train", 1),
        ("train", "train", 0),
        ("train", "validation", 0),
        ("validation", "test", 0),
    ],
)
def test_records_that_moved_between_train_and_test_are_counted(before: str, now: str, moved: int):
    assert leaks(frame(row("a")), {"a": now}, {"a": before, "gone": "test"}).moved == moved


def test_records_without_a_split_are_refused():
    with pytest.raises(ValueError, match="1 curated records have no split"):
        leaks(frame(row("a"), row("b")), {"a": "train"})


def test_records_without_a_signature_are_refused():
    curated, splits = frame(row("a"), row("b")), placed({"a": "train", "b": "train"})
    with pytest.raises(ValueError, match="1 records have no signature"):
        measure_leakage(curated, splits, SECTION, sign(curated, SECTION).head(1))


def test_signatures_of_further_records_do_not_matter():
    curated = frame(row("a", WORDS), row("b", f"{WORDS} again"))
    signatures = sign(pl.concat([curated, frame(row("removed", WORDS))]), SECTION)
    assignment = placed({"a": "train", "b": "test"})
    assert measure_leakage(curated, assignment, SECTION, signatures).near_duplicates == 1


DECONTAMINATE = Decontaminate()
PASSAGE = "the committee met on the second floor of the old library to vote about the new bridge"


def asked(name: str, prompt: str, answer: str = "Yes.") -> dict:
    return {**curated_record(answer, name), "kind": "chat", "prompt": [{"role": "user", "content": prompt}]}


def in_splits(curated: pl.DataFrame, *splits: str) -> pl.DataFrame:
    return curated.select("record_id").with_columns(split=pl.Series(splits))


ROWS = frame(
    asked("test", f"Read: {PASSAGE}. Who voted?"),
    asked("repeats", f"{PASSAGE.upper()}! Where was it?"),
    asked("answers", "Write about a bridge.", f"Well, {PASSAGE}, they said."),
    asked("other", "What is a bridge for?", "For crossing the old river on the way to the library, of course."),
)
SPLITS = in_splits(ROWS, "test", "train", "train", "train")


def test_training_records_that_repeat_a_held_out_prompt_are_counted():
    assert repeated_prompts(ROWS, SPLITS, DECONTAMINATE) == 2
    kept = SPLITS.filter(pl.Series([True, False, False, True]))
    assert repeated_prompts(ROWS, kept, DECONTAMINATE) == 0


def test_words_in_many_texts_are_a_phrase_and_do_not_count():
    section = DECONTAMINATE.model_copy(update={"maximum_repeats": 1})
    assert repeated_prompts(ROWS, SPLITS, section) == 0


def test_held_out_records_may_repeat_each_other():
    splits = in_splits(ROWS, "test", "validation", "test", "train")
    assert repeated_prompts(ROWS, splits, DECONTAMINATE) == 0


def test_a_corpus_without_prompts_repeats_none():
    texts = frame(curated_record(PASSAGE, "a"), curated_record(PASSAGE, "b"))
    assert repeated_prompts(texts, in_splits(texts, "test", "train"), DECONTAMINATE) == 0


@pytest.mark.real_data
def test_a_split_of_real_prompts_by_template_leaks_nothing_but_near_duplicates(shared_data: Path):
    with gzip.open(shared_data / "instruction" / "p3_templates_a.jsonl.gz", "rt") as lines:
        real = [json.loads(line) for line, _ in zip(lines, range(1500), strict=False)]
    curated = frame(*(row(each["id"], f"{each['prompt']}\n{each['completion']}", each["template"]) for each in real))
    assignment = assign(curated, Split(validation=0.2, test=0.2)).records
    found = measure_leakage(curated, assignment, SECTION, sign(curated, SECTION), assignment)
    assert (found.groups, found.clusters, found.moved) == (0, 0, 0)
    assert found.near_duplicates > 0
