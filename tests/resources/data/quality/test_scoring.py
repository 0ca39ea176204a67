import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.records import record
from support.tables import put

from fineline.data_contracts.curation import RecordQuality
from fineline.data_contracts.records import ScrubbedRecord
from fineline.resources.core.recipe.curation import Quality, TextQuality
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.units import Snapshot
from fineline.resources.data.quality import scoring
from fineline.resources.data.quality.rules import RULES
from fineline.resources.data.quality.scoring import Scoring, score

SECTION = Quality(minimum_words=3)
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
        ("one\ntwo\n\nand\n\none\ntwo\n\nbut\n\none\ntwo", "repeated_paragraphs"),
        ("ha " * 20 + "that is what everybody said", "top_ngram"),
        ("I'm sorry, but I can't help with that request.", "refusal"),
        ("This is how it is done, and this is what the", "truncated"),
        ("Write this:\n```python\nprint(1)", "truncated"),
    ],
)
def test_an_answer_fails_the_rule_that_it_breaks(answer: str, rule: str):
    assert failed(answer) == rule


LINES = "The first line is here.\nThe second line is another one."


@pytest.mark.parametrize(
    ("text", "rule", "options"),
    [
        ("Two words", "too_few_words", {}),
        ("a b c d e f", "words_too_short", {"minimum_mean_word_length": 3}),
        ("One 1 2 3 4 5 six", "few_alphabetic_words", {"minimum_alphabetic_word_share": 0.8}),
        ("# One # two # three four five", "too_many_marks", {"maximum_marks_per_word": 0.1}),
        ("Wait … and see … then go", "too_many_marks", {"maximum_marks_per_word": 0.1}),
        ("The sun rose. The sun set.", "few_stop_words", {"minimum_stop_words": 2}),
        ("- one thing\n* another thing\n• some thing", "mostly_bullets", {}),
        ("We will see...\nPerhaps it is so…\nIt is not.", "mostly_ellipses", {}),
        ("Home and away\nAbout all of us", "unpunctuated_lines", {"minimum_punctuated_line_share": 0.12}),
        ("Home and away.\nAbout all of us.", "short_lines", {"maximum_short_line_share": 0.67}),
        (f"{LINES}\nAnd then a third line that is a little longer.\nThe first line is here.", "repeated_lines", {}),
        ("Lorem ipsum dolor sit amet, consectetur.", "placeholder", {}),
        ("This { is what a program looks like }", "curly_brace", {"drop_curly_braces": True}),
    ],
)
def test_a_plain_text_fails_the_rule_for_texts_that_it_breaks(text: str, rule: str, options: dict[str, Any]):
    section = Quality(texts=TextQuality(**{"maximum_repeated_line_characters": 0.1, **options}))
    assert failed(text, section, kind="text", prompt=[]) == rule
    assert failed(text, section) is None, "chats are not held to the rules of the web"


def test_an_answer_of_repeated_phrases_fails():
    phrase = "the cat sat on the mat near a red door"
    section = Quality(maximum_top_ngram_characters={}, maximum_repeated_ngram_characters={8: 0.3})
    assert failed(f"{phrase} where {phrase}", section) == "repeated_ngrams"
    assert failed(f"{phrase} where nobody ever sat on any other mat", section) is None


def test_a_short_answer_may_repeat_a_phrase():
    assert failed("The sun rose. The sun set.") is None


def test_an_answer_in_another_language_fails_if_the_recipe_lists_languages():
    german = "Die Funktion gibt eine Liste aller Wörter zurück, die in dem Text mehr als einmal vorkommen."
    assert failed(german) is None
    assert failed(german, Quality(languages=["de", "en"])) is None
    assert failed(german, Quality(languages=["en"])) == "other_language"
    assert failed(german, Quality(languages=["en"], minimum_language_probability=1.0)) is None


def test_a_short_answer_is_read_with_its_prompt():
    assert failed("Pyongyang", Quality(languages=["en"])) is None


def test_rules_without_a_threshold_drop_nothing():
    off = {name: None for name in Quality.model_fields if name.startswith(("minimum_words", "maximum_"))}
    off |= {"maximum_top_ngram_characters": {}, "maximum_repeated_ngram_characters": {}}
    lenient = Quality(**off, drop_refusals=False, drop_truncated=False)
    for answer in ("Yes", "ha " * 5000, "=== ===", "I cannot help you with that,"):
        assert failed(answer, lenient) is None


def test_records_that_pass_keep_their_measures():
    assert score(records_of(PROSE), SECTION)["language"].item() is None
    scored = score(records_of(PROSE), Quality(languages=["en"])).row(0, named=True)
    assert (scored["words"], scored["stop_words"], scored["language"]) == (11, 2, "en")


def test_a_record_that_is_mostly_replaced_fails():
    assert failed("<PERSON> called <PERSON> about it.", replacements=4) == "mostly_replaced"
    assert failed("<PERSON> called <PERSON> about it.", replacements=2) is None


def test_the_replaced_share_counts_the_words_of_the_whole_record():
    scored = score(records_of("one two three four five six", replacements=5), SECTION)
    assert scored["replaced_share"].item() == 0.5


def test_the_first_broken_rule_in_the_order_of_the_rules_is_named():
    assert failed("=== ===") == "too_few_words"


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
def test_refusals_are_recognised_in_several_wordings(answer: str):
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


def test_refusals_pass_if_the_recipe_keeps_them():
    assert failed("I'm sorry, but I can't help with that request.", Quality(drop_refusals=False)) is None


def test_all_messages_of_the_completion_are_judged():
    messages = [{"role": "assistant", "content": "Only two"}, {"role": "assistant", "content": "words each"}]
    assert score(records_of("", completion=messages), SECTION)["words"].item() == 4


@pytest.mark.parametrize(
    "answer", ["That is sad. Me too. :(", "    return a, b", "Ask your doctor about it", "Yes, the"]
)
def test_answers_that_only_look_unfinished_pass(answer: str):
    assert failed(answer, Quality()) is None


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
    assert set(scored["failed_rule"].drop_nulls()) <= {rule.name for rule in RULES}


def test_the_order_of_the_input_does_not_matter():
    records = records_of(PROSE, "Yes", "one two three")
    assert score(records, SECTION).equals(score(records.sort("record_id", descending=True), SECTION))


@pytest.mark.real_data
def test_worked_solutions_of_school_mathematics_pass(shared_data: Path):
    with gzip.open(shared_data / "instruction" / "gsm8k_train.jsonl.gz", "rt") as lines:
        answers = [json.loads(line)["answer"] for line in lines]
    scored = score(records_of(*answers), SECTION)
    assert scored["failed_rule"].null_count() >= 0.999 * len(answers)


BATCHES = ["corpus/a", "corpus/b"]


def stored(tmp_path: Path, records: pl.DataFrame, representatives: list[bool]) -> Storage:
    """Scrubbed records with clusters, of which only representatives must be scored."""
    storage = Storage(tmp_path)
    put(storage, "scrubbed_corpus", records)
    clusters = records.select("record_id", "batch", "source", representative=pl.Series(representatives))
    removed = ~pl.col("representative")
    clusters = clusters.with_columns(
        cluster=pl.when(removed).then(pl.lit(records["record_id"][0])).otherwise("record_id"),
        family=pl.lit(records["record_id"][0]),
        reason=pl.when(removed).then(pl.lit("near_duplicate")),
        similarity=pl.when(removed).then(0.9),
    )
    put(storage, "duplicate_clusters", clusters)
    return storage


def rows_in_batches() -> pl.DataFrame:
    answers = [PROSE, "too few", f"{PROSE} Or not.", "Another answer that is new.", "Yes"]
    rows = records_of(*answers, source="corpus").sort("record_id", descending=True)
    return rows.with_columns(batch=pl.Series(BATCHES).gather([0, 0, 0, 1, 1]))


@pytest.mark.parametrize("size", [1, 2, 100])
def test_units_score_the_representatives_in_the_order_of_the_records(tmp_path: Path, size: int):
    records, stays = rows_in_batches(), [True, False, True, True, True]
    storage = stored(tmp_path, records, stays)
    snapshot = Snapshot.take(storage, ["scrubbed_corpus", "duplicate_clusters"], BATCHES)
    work = Scoring(snapshot, SECTION)
    scored = pl.concat([work.output(unit).frame for unit in snapshot.units("scrubbed_corpus", BATCHES, size)])
    assert scored["record_id"].to_list() == records.filter(pl.Series(stays))["record_id"].to_list()
    assert scored.sort("record_id").equals(score(records.filter(pl.Series(stays)), SECTION))


def test_of_a_batch_that_can_be_reused_only_new_representatives_are_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    records = rows_in_batches()
    storage = stored(tmp_path, records, [True, True, False, True, True])
    put(storage, "record_quality", score(records.filter(pl.Series([True, False, True, True, True])), SECTION))
    tables = ["scrubbed_corpus", "duplicate_clusters", "record_quality"]
    snapshot = Snapshot.take(storage, tables, BATCHES)
    read: list[list[str]] = []
    monkeypatch.setattr(
        scoring, "score", lambda rows, section: read.append(rows["record_id"].to_list()) or score(rows, section)
    )
    units = snapshot.units("scrubbed_corpus", BATCHES, 10)
    reused = [Scoring(snapshot, SECTION, frozenset(BATCHES)).output(unit).frame for unit in units]
    assert read == [[records["record_id"][1]]]
    assert pl.concat(reused).equals(pl.concat([Scoring(snapshot, SECTION).output(unit).frame for unit in units]))
