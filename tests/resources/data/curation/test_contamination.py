import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.records import record, records

from fineline.resources.core.recipe.sources import Files
from fineline.resources.data.curation.contamination import (
    contaminated,
    distinct_ngrams,
    evaluation_ngrams,
    shared_ngrams,
)
from fineline.resources.data.formats.rows import SourceError

THIRTEEN = "one two three four five six seven eight nine ten eleven twelve thirteen"


def plain(texts: Sequence[str]) -> pl.DataFrame:
    return records(*[record(text, kind="text", prompt=[], record_id=f"{n:032x}") for n, text in enumerate(texts)])


def found(
    texts: Sequence[str], against: Sequence[str], ngram: int = 13, maximum_repeats: int = 100, at_once: int = 100
) -> list[bool]:
    """Whether each text overlaps with any of the others, found in parts of so many texts."""
    sets = {"set": distinct_ngrams(plain(against), ngram)}
    parts = [plain([]), *plain(texts).iter_slices(at_once)]
    shared = pl.concat([shared_ngrams(part, sets, ngram) for part in parts])
    repeated = contaminated(shared, ["set"], maximum_repeats)["record_id"]
    return plain(texts)["record_id"].is_in(repeated.implode()).to_list()


def test_thirteen_words_in_common_overlap_and_twelve_do_not():
    twelve = THIRTEEN.removesuffix(" thirteen")
    test = f"before {THIRTEEN} after"
    assert found([f"start {THIRTEEN} end", f"start {twelve} end"], [test]) == [True, False]


def test_case_punctuation_and_white_space_make_no_difference():
    assert found([THIRTEEN.upper().replace(" ", ",\n  ")], [f"“{THIRTEEN}!”"]) == [True]


def test_a_short_text_overlaps_only_with_one_that_has_the_same_words():
    texts = ["What is two and two?", "what is two, and two", "He asked: what is two and two?", "what is two"]
    assert found(texts, ["What is two and two?"]) == [True, True, False, False]


def test_texts_do_not_run_into_each_other():
    words = THIRTEEN.split()
    halves = [" ".join(words[:7]), " ".join(words[7:])]
    assert found(halves, [THIRTEEN]) == [False, False]
    assert found([THIRTEEN], halves) == [False]


def test_an_instruction_that_many_texts_share_does_not_count():
    many = [f"{THIRTEEN} number {number}" for number in range(4)]
    assert found(many, [THIRTEEN], maximum_repeats=4) == [True] * 4
    assert found(many, [THIRTEEN], maximum_repeats=3) == [False] * 4


def test_scripts_without_spaces_are_compared_by_characters():
    sentence = "春天的时候花园里开满了红色的花"
    assert found([f"他说{sentence}。", "春天的时候花园里"], [sentence]) == [True, False]


def test_empty_texts_overlap_with_nothing():
    assert found(["", "..."], ["", "!"]) == [False] * 2
    assert found([], [THIRTEEN]) == []
    assert found([THIRTEEN], []) == [False]


def by_hand(text: str, against: list[str], ngram: int) -> bool:
    def runs(words: list[str]) -> set[tuple[str, ...]]:
        if 0 < len(words) < ngram:
            return {("whole", *words)}
        return {tuple(words[start : start + ngram]) for start in range(len(words) - ngram + 1)}

    return any(runs(text.split()) & runs(other.split()) for other in against)


TEXTS = st.lists(st.lists(st.sampled_from("abc"), max_size=8).map(" ".join), max_size=8)


@settings(max_examples=80)
@given(texts=TEXTS, against=TEXTS, ngram=st.integers(1, 5), at_once=st.integers(1, 9))
def test_texts_overlap_if_they_share_a_run_of_words(texts: list[str], against: list[str], ngram: int, at_once: int):
    expected = [by_hand(text, against, ngram) for text in texts]
    assert found(texts, against, ngram, at_once=at_once) == expected


QUESTION = "How many of the twelve red apples that Ann bought on Monday are left on Friday?"


def repeated(rows: list[dict[str, Any]], **sets: list[dict[str, Any]]) -> dict[str, str]:
    known = {name: distinct_ngrams(records(*each), 13) for name, each in sets.items()}
    return dict(contaminated(shared_ngrams(records(*rows), known, 13), [*sets], 100).iter_rows())


def test_a_repeated_prompt_and_a_repeated_answer_are_found_with_the_names_of_the_sets():
    asked = record("Five.", question=QUESTION)
    answered = record(f"I think that {THIRTEEN}.", question="Count!")
    clean = record("Some.", question="How many are left?")
    first, second = [record("Six.", question=QUESTION)], [record(THIRTEEN), record("Seven.", question=QUESTION)]
    assert repeated([asked, answered, clean], apples=first, counts=second) == {
        asked["record_id"]: "apples, counts",
        answered["record_id"]: "counts",
    }


def test_short_answers_and_system_messages_are_not_compared():
    system = {"role": "system", "content": THIRTEEN}
    prompts = [[system, {"role": "user", "content": text}] for text in ("First?", "Second?")]
    ours, theirs = (record("Yes.", prompt=prompt) for prompt in prompts)
    assert repeated([ours], theirs=[theirs]) == {}


def test_plain_texts_and_rejected_answers_are_compared():
    text = record(THIRTEEN, kind="text", prompt=[])
    pair = record("No.", question="Really?", kind="preference", rejected=[{"role": "assistant", "content": THIRTEEN}])
    assert set(repeated([text, pair], set=[record(THIRTEEN)])) == {text["record_id"], pair["record_id"]}


def test_an_evaluation_set_is_read_like_a_source(tmp_path: Path):
    path = tmp_path / "test.jsonl"
    source = Files(name="test", kind="files", path=path, licence="MIT")
    path.write_text(json.dumps({"question": QUESTION, "answer": "5"}) + "\n" + "half a li")
    assert evaluation_ngrams(source, 13).equals(distinct_ngrams(records(record("5", question=QUESTION)), 13))
    path.write_text("half a li")
    with pytest.raises(SourceError, match="no row of test is a record"):
        evaluation_ngrams(source, 13)


@pytest.mark.real_data
def test_four_questions_of_gsm8k_are_in_its_training_and_its_test_set(shared_data: Path):
    folder = shared_data / "instruction"
    train = pl.read_ndjson(folder / "gsm8k_train.jsonl.gz")["question"]
    test = pl.Series([json.loads(line)["question"] for line in (folder / "gsm8k_test.jsonl").read_text().splitlines()])
    assert sum(found(train.to_list(), test.to_list(), at_once=1000)) == 4
    assert all(found(test.to_list(), test.to_list(), at_once=10_000))
