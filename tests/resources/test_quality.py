import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import record

from fineline.data_contracts.curation import RecordQuality
from fineline.data_contracts.records import ScrubbedRecord
from fineline.resources.quality import RULES, broken_rules, score
from fineline.resources.recipe_data import Quality

SECTION = Quality()
PROSE = "The method returns a copy of the list in reverse order."


def records_of(*answers: str, **changes: Any) -> pl.DataFrame:
    rows = [
        {**record(answer, question="What does it do?", record_id=f"{number:032x}"), "replacements": 0, **changes}
        for number, answer in enumerate(answers)
    ]
    return pl.DataFrame(rows, schema=ScrubbedRecord.create_empty().schema)


def failed(answer: str, section: Quality = SECTION, **changes: Any) -> str | None:
    rule: str | None = score(records_of(answer, **changes), section)["failed_rule"].item()
    return rule


def test_prose_passes():
    assert failed(PROSE) is None


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ("Yes, sir", "too_few_words"),
        (" ".join(["word"] * 4001), "too_many_words"),
        (" ".join(["abcdefghijklmnopqrst"] * 5), "words_too_long"),
        ("=== --- === a *** b ---", "mostly_symbols"),
        ("do it again\n" * 4 + "and stop", "repeated_lines"),
        ("I'm sorry, but I can't help with that request.", "refusal"),
    ],
)
def test_an_answer_that_breaks_a_rule_is_named_by_it(answer: str, rule: str):
    assert failed(answer) == rule


def test_a_record_that_is_mostly_replaced_is_named_so():
    assert failed("<PERSON> called <PERSON> about it.", replacements=4) == "mostly_replaced"
    assert failed("<PERSON> called <PERSON> about it.", replacements=2) is None


def test_replaced_spans_are_held_against_the_words_of_the_whole_record():
    scored = score(records_of("one two three four five six", replacements=5), SECTION)
    assert scored["replaced_share"].item() == 0.5


def test_the_first_broken_rule_in_the_order_of_the_rules_is_named():
    assert failed("=== ===") == "too_few_words"


def test_every_rule_has_a_condition():
    assert list(broken_rules(SECTION)) == list(RULES)


@pytest.mark.parametrize(
    "answer",
    [
        "As an AI language model, I cannot have opinions about it.",
        "I’m sorry, I am not able to assist you in that way.",
        "Sorry, but as an AI I am unable to do so.",
        "Unfortunately, I cannot provide such a list.",
        "I won't answer that question for you.",
    ],
)
def test_refusals_are_known_in_several_wordings(answer: str):
    assert failed(answer) == "refusal"


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry to hear that. Try to restart it.",
        "I cannot help but laugh when I read it.",
        "The model answered: as an AI language model, I cannot say.",
        "I don't know how it ends, but the book is good.",
    ],
)
def test_answers_that_only_sound_like_refusals_pass(answer: str):
    assert failed(answer) is None


def test_the_better_answer_of_a_preference_may_decline():
    answer = "I'm sorry, but I can't help with that request."
    rejected = [{"role": "assistant", "content": "Sure, here is how."}]
    assert failed(answer, kind="preference", rejected=rejected) is None


def test_refusals_stay_where_the_recipe_says_so():
    assert failed("I'm sorry, but I can't help with that request.", Quality(drop_refusals=False)) is None


def test_all_messages_of_the_completion_are_judged():
    messages = [{"role": "assistant", "content": "Only two"}, {"role": "assistant", "content": "words each"}]
    assert score(records_of("", completion=messages), SECTION)["words"].item() == 4


def test_letters_of_other_scripts_are_no_symbols():
    assert score(records_of("Ein größeres Übel: наука हिन्दी"), SECTION)["symbol_ratio"].item() == pytest.approx(1 / 31)


def test_blank_lines_do_not_repeat_each_other():
    assert score(records_of("one two three\n\n\n\nfour"), SECTION)["repeated_line_ratio"].item() == 0.0


@settings(max_examples=60, deadline=None)
@given(answers=st.lists(st.text(max_size=60), min_size=1, max_size=6), replacements=st.integers(0, 9))
def test_any_text_is_scored_under_contract_and_by_a_known_rule(answers: list[str], replacements: int):
    records = records_of(*answers, replacements=replacements)
    scored = RecordQuality.validate(score(records, Quality(minimum_words=0)))
    assert scored["record_id"].to_list() == sorted(records["record_id"])
    assert set(scored["failed_rule"].drop_nulls()) <= set(RULES)


def test_the_order_of_the_input_does_not_matter():
    records = records_of(PROSE, "Yes", "one two three")
    assert score(records, SECTION).equals(score(records.sort("record_id", descending=True), SECTION))


@pytest.mark.real_data
def test_worked_solutions_of_school_mathematics_pass(shared_data: Path):
    with gzip.open(shared_data / "instruction" / "gsm8k_train.jsonl.gz", "rt") as lines:
        answers = [json.loads(line)["answer"] for line in lines]
    scored = score(records_of(*answers), SECTION)
    assert scored["failed_rule"].null_count() >= 0.999 * len(answers)
