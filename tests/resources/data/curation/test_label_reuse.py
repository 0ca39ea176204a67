import hashlib
import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.hashes import content_hash

from fineline.data_contracts.curation import LabelIssue
from fineline.data_contracts.records import Record
from fineline.resources.core.recipe.curation import Labels
from fineline.resources.data.curation import label_issues, label_reuse
from fineline.resources.data.curation.embeddings import DIMENSIONS
from fineline.resources.data.curation.label_reuse import Judged, judge_labels

SECTION = Labels(folds=2)
SOURCES = ("cats", "cars")
WORDS = ["engine", "street", "whiskers", "garden", "wheel", "evening", "number", "paper"]
# For each batch the number of its version: what is in it follows from both.
Corpus = dict[tuple[str, str], int]


def text_of(source: str, name: str, number: int, version: int) -> str:
    """A text of a batch; of its four texts only the second differs between versions."""
    named = f"{source} {name} {number} {version if number == 1 else 0}"
    return f"{named}: {' '.join(random.Random(named).choices(WORDS, k=5))}"


def batch_of(source: str, name: str, version: int) -> pl.DataFrame:
    rows = [
        {
            "record_id": content_hash(f"{source} {name} {version if number == 0 else 0} {number}"),
            "source": source,
            "batch": f"{source}/{name}",
            "kind": "text",
            "prompt": [],
            "completion": [{"role": "assistant", "content": text_of(source, name, number, version)}],
            "label": ("one", "two")[number % 2],
            "licence": "CC0-1.0",
            "metadata": "{}",
        }
        for number in range(4)
    ]
    schema = Record.create_empty().schema
    return pl.DataFrame([{**dict.fromkeys(schema), **row} for row in rows], schema=schema)


def records_of(corpus: Corpus) -> pl.DataFrame:
    empty = Record.create_empty()
    return pl.concat([empty, *(batch_of(*key, version) for key, version in corpus.items())])


def stand_in(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Replaces the model and cleanlab by stand-ins; returns the texts and sources that they get."""
    asked: dict[str, list[str]] = {"embedded": [], "judged": []}

    def embed(texts, progress=None, encode=None):
        asked["embedded"] += texts
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) for text in texts]
        rows = [np.random.default_rng(seed).normal(size=DIMENSIONS) for seed in seeds]
        return np.array(rows, np.float32).reshape(-1, DIMENSIONS)

    def judge(records, embeddings, folds):
        asked["judged"] += records["source"].unique().to_list()
        whole = float(embeddings.astype(np.float64).sum() % 1)
        return records.select(
            "record_id",
            "batch",
            "source",
            "label",
            suggested_label="label",
            label_quality=pl.lit(whole),
            is_issue=pl.lit(False),
            outlier_score=pl.Series(embeddings[:, 0].astype(np.float64) % 1),
            is_outlier=pl.lit(False),
            is_rare_label=pl.lit(False),
        ).cast(LabelIssue.create_empty().schema)

    monkeypatch.setattr(label_reuse, "embed", embed)
    monkeypatch.setattr(label_issues, "judge", judge)
    return asked


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    return stand_in(monkeypatch)


def after(judged: Judged, before: Corpus, now: Corpus) -> Judged:
    """The part of an earlier result that can be reused: the features of unchanged batches."""
    same = [f"{source}/{name}" for (source, name), version in now.items() if before.get((source, name)) == version]
    return Judged(judged.issues, judged.features.filter(pl.col("batch").is_in(same)))


CORPORA = st.dictionaries(
    st.tuples(st.sampled_from(SOURCES), st.sampled_from(["a", "b", "c"])), st.integers(0, 2), max_size=6
)


@settings(max_examples=40, deadline=None)
@given(corpora=st.lists(CORPORA, min_size=2, max_size=4))
def test_reusing_an_earlier_result_gives_what_judging_from_scratch_gives(corpora: list[Corpus]):
    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch)
        judged, before = judge_labels(records_of(corpora[0]), SECTION), corpora[0]
        for now in corpora[1:]:
            judged = judge_labels(records_of(now), SECTION, after(judged, before, now))
            anew = judge_labels(records_of(now), SECTION)
            assert judged.issues.equals(anew.issues)
            assert judged.features.equals(anew.features)
            before = now


def test_only_a_changed_source_is_judged_again_and_only_its_new_texts_are_embedded(made):
    before: Corpus = {("cats", "a"): 0, ("cars", "a"): 0}
    judged = judge_labels(records_of(before), SECTION)
    now: Corpus = {**before, ("cats", "b"): 0}
    made["embedded"].clear()
    made["judged"].clear()
    judge_labels(records_of(now), SECTION, after(judged, before, now))
    assert made["judged"] == ["cats"]
    assert sorted(made["embedded"]) == [text_of("cats", "b", number, 0) for number in range(4)]


def test_a_source_that_lost_a_batch_is_judged_again_without_embedding(made):
    before: Corpus = {("cats", "a"): 0, ("cats", "b"): 0}
    judged = judge_labels(records_of(before), SECTION)
    now: Corpus = {("cats", "a"): 0}
    made["embedded"].clear()
    made["judged"].clear()
    judge_labels(records_of(now), SECTION, after(judged, before, now))
    assert made == {"embedded": [], "judged": ["cats"]}


def test_words_have_no_embeddings_and_an_unchanged_source_keeps_its_issues(monkeypatch: pytest.MonkeyPatch):
    words = Labels(folds=2, features="words")
    corpus: Corpus = {("cats", "a"): 0, ("cats", "b"): 0}
    judged = judge_labels(records_of(corpus), words)
    assert judged.features["embedding"].null_count() == 8
    monkeypatch.setattr(label_issues, "judge", None)
    assert judge_labels(records_of(corpus), words, judged).issues.equals(judged.issues)
