import polars as pl
from support.records import curated_record

from fineline.data_contracts.records import CuratedRecord
from fineline.resources.core.recipe.curation import Decontaminate
from fineline.resources.data.curation.contamination import repeats_of_held_out_prompts
from fineline.resources.data.splitting.prompt_leakage import repeated_prompts

SECTION = Decontaminate()
PASSAGE = "the committee met on the second floor of the old library to vote about the new bridge"


def asked(name: str, prompt: str, answer: str = "Yes.") -> dict:
    return {**curated_record(answer, name), "kind": "chat", "prompt": [{"role": "user", "content": prompt}]}


def frame(*rows: dict) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=CuratedRecord.create_empty().schema)


def placed(curated: pl.DataFrame, *splits: str) -> pl.DataFrame:
    return curated.select("record_id").with_columns(split=pl.Series(splits))


ROWS = frame(
    asked("test", f"Read: {PASSAGE}. Who voted?"),
    asked("repeats", f"{PASSAGE.upper()}! Where was it?"),
    asked("answers", "Write about a bridge.", f"Well, {PASSAGE}, they said."),
    asked("other", "What is a bridge for?", "For crossing the old river on the way to the library, of course."),
)
SPLITS = placed(ROWS, "test", "train", "train", "train")


def test_training_records_that_repeat_a_held_out_prompt_are_found_in_question_and_answer():
    found = repeats_of_held_out_prompts(ROWS, SPLITS, SECTION)
    assert set(found["record_id"]) == {ROWS["record_id"][1], ROWS["record_id"][2]}


def test_the_check_sees_by_plain_text_what_the_hashes_found():
    assert repeated_prompts(ROWS, SPLITS, SECTION) == 2
    kept = SPLITS.join(repeats_of_held_out_prompts(ROWS, SPLITS, SECTION), on="record_id", how="anti")
    assert repeated_prompts(ROWS, kept, SECTION) == 0


def test_words_that_stand_in_many_texts_are_a_phrase_and_no_repetition():
    section = SECTION.model_copy(update={"maximum_repeats": 1})
    assert repeats_of_held_out_prompts(ROWS, SPLITS, section).is_empty()
    assert repeated_prompts(ROWS, SPLITS, section) == 0


def test_held_out_records_may_repeat_each_other():
    splits = placed(ROWS, "test", "validation", "test", "train")
    assert repeats_of_held_out_prompts(ROWS, splits, SECTION).is_empty()
    assert repeated_prompts(ROWS, splits, SECTION) == 0


def test_a_corpus_without_prompts_repeats_none():
    texts = frame(curated_record(PASSAGE, "a"), curated_record(PASSAGE, "b"))
    assert repeats_of_held_out_prompts(texts, placed(texts, "test", "train"), SECTION).is_empty()
    assert repeated_prompts(texts, placed(texts, "test", "train"), SECTION) == 0
