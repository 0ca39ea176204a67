import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from support.records import curated_record
from support.tables import put

from fineline.data_contracts import catalog
from fineline.data_contracts.records import CuratedRecord
from fineline.resources.core.compute.inline import Inline
from fineline.resources.core.recipe.curation import Decontaminate
from fineline.resources.core.recipe.sources import Files
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.units import Scratch, Snapshot
from fineline.resources.data.curation import decontamination
from fineline.resources.data.curation.decontamination import (
    Chosen,
    repeats_of_evaluation_sets,
    repeats_of_held_out_prompts,
)

CURATED = catalog.CURATED_CORPUS.name
SECTION = Decontaminate()
ENGINE = Inline()
PASSAGE = "the committee met on the second floor of the old library to vote about the new bridge"


def asked(name: str, prompt: str, answer: str = "Yes.", batch: str = "corpus/a") -> dict:
    return {
        **curated_record(answer, name),
        "kind": "chat",
        "prompt": [{"role": "user", "content": prompt}],
        "batch": batch,
    }


def frame(*rows: dict) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=CuratedRecord.create_empty().schema)


ROWS = frame(
    asked("test", f"Read: {PASSAGE}. Who voted?"),
    asked("repeats", f"{PASSAGE.upper()}! Where was it?"),
    asked("answers", "Write about a bridge.", f"Well, {PASSAGE}, they said.", "corpus/b"),
    asked("other", "What is a bridge?", "A way across the old river to the library, of course, for all.", "corpus/b"),
)


class Corpus:
    """Curated records in a storage root, with what is found among them."""

    def __init__(self, folder: Path, rows: pl.DataFrame) -> None:
        self.storage, self.rows = Storage(folder), rows
        put(self.storage, CURATED, rows)
        self.snapshot = Snapshot.take(self.storage, [CURATED], sorted(set(rows["batch"])))

    def repeats(self, *splits: str, section: Decontaminate = SECTION) -> set[int]:
        """The rows in train that repeat prompts of the other splits."""
        assignment = self.rows.select("record_id", "batch", split=pl.Series(splits))
        with Scratch.of(self.storage, catalog.SPLITS.name) as scratch:
            found = repeats_of_held_out_prompts(self.snapshot, assignment, section, scratch, ENGINE, lambda *_: None)
        return self.numbers(found)

    def numbers(self, found: pl.DataFrame) -> set[int]:
        return {self.rows["record_id"].to_list().index(record_id) for record_id in found["record_id"]}


@pytest.fixture(params=[1, 100])
def corpus(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Corpus]:
    monkeypatch.setattr(decontamination, "UNIT_RECORDS", request.param)
    corpus = Corpus(tmp_path / "root", ROWS)
    yield corpus
    assert not any("new-scratch" in each.key for each in corpus.storage.root.list()), "nothing is left behind"


def test_training_records_that_repeat_a_held_out_prompt_are_found_in_question_and_answer(corpus: Corpus):
    assert corpus.repeats("test", "train", "train", "train") == {1, 2}


def test_words_in_many_texts_of_any_batch_are_a_phrase_and_do_not_count(corpus: Corpus):
    section = SECTION.model_copy(update={"maximum_repeats": 1})
    assert corpus.repeats("test", "train", "train", "train", section=section) == set()


def test_held_out_records_may_repeat_each_other(corpus: Corpus):
    assert corpus.repeats("test", "validation", "test", "train") == set()


def test_a_corpus_without_held_out_records_repeats_none(corpus: Corpus):
    assert corpus.repeats("train", "train", "train", "train") == set()


def test_plain_texts_are_no_prompts(tmp_path: Path):
    texts = Corpus(tmp_path, frame(curated_record(PASSAGE, "a"), curated_record(PASSAGE, "b")))
    assert texts.repeats("test", "train") == set()


def test_only_chosen_records_are_held_against_evaluation_sets(corpus: Corpus, tmp_path: Path):
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps({"question": f"Where? {PASSAGE}", "answer": "5"}))
    section = Decontaminate(against=[Files(name="bridges", kind="files", path=path, licence="MIT")])
    with Scratch.of(corpus.storage, CURATED) as scratch:
        names = scratch.put(ROWS.select("record_id", "batch")[1:])
        chosen = Chosen(corpus.snapshot, CURATED, scratch, names)
        found = repeats_of_evaluation_sets(chosen, section, ENGINE, lambda *_: None)
    assert corpus.numbers(found) == {1, 2}
    assert set(found["evaluation_sets"]) == {"bridges"}
