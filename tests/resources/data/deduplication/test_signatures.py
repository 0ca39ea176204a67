import gzip
import json
from pathlib import Path

import polars as pl
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st
from support.hashes import content_hash, shingle_hash

from fineline.data_contracts.curation import Signature
from fineline.data_contracts.messages import record_text
from fineline.data_contracts.records import ScrubbedRecord
from fineline.resources.core.recipe.curation import Deduplicate
from fineline.resources.data.deduplication.buffers import normalise
from fineline.resources.data.deduplication.lsh import rows_per_band
from fineline.resources.data.deduplication.shingles import shingles
from fineline.resources.data.deduplication.signatures import sign, similar_pairs

SECTION = Deduplicate()


def records_of(answers: list[str], prompt: str | None = None, rejected: str | None = None) -> pl.DataFrame:
    rows = [
        {
            "record_id": f"{number:032x}",
            "source": "corpus",
            "batch": "corpus/part",
            "kind": "text",
            "prompt": [] if prompt is None else [{"role": "user", "content": prompt}],
            "completion": [{"role": "assistant", "content": answer}],
            "rejected": None if rejected is None else [{"role": "assistant", "content": rejected}],
            "tools": None,
            "label": None,
            "group": None,
            "licence": "CC0-1.0",
            "metadata": "{}",
            "replacements": 0,
        }
        for number, answer in enumerate(answers)
    ]
    return pl.DataFrame(rows, schema=ScrubbedRecord.create_empty().schema)


def jaccard(left: str, right: str, words: int) -> float:
    """The similarity by definition, on lists of words, without the shingles of the module."""
    first, second = (
        {tuple(text.split()[i : i + words]) for i in range(max(1, len(text.split()) - words + 1))}
        for text in (left, right)
    )
    return len(first & second) / len(first | second)


def test_the_text_of_a_record_is_its_prompt_completion_and_rejected_answer():
    assert record_text(records_of(["yes"], prompt="really?", rejected="no")).to_list() == ["really?\nyes\nno"]


def test_a_record_without_prompt_and_rejected_answer_is_its_completion():
    assert record_text(records_of(["only this"])).to_list() == ["only this"]


def test_case_white_space_and_compatibility_forms_do_not_count():
    assert normalise("  The\tﬁrst\u00a0 STRASSE \n") == normalise("the first straße")


def test_the_content_hash_tells_texts_apart():
    assert content_hash("a b") != content_hash("ab")
    assert len(content_hash("a b")) == 32


def test_shingles_are_the_runs_of_words():
    assert shingles("a b c d", 2) == {"a b", "b c", "c d"}
    assert shingles("a b", 2) == {"a b"}


def test_a_text_shorter_than_a_shingle_is_its_own_shingle():
    assert shingles("a b c", 5) == {"a b c"}


@settings(max_examples=30, deadline=None)
@given(
    texts=st.lists(st.text(min_size=1, max_size=200), min_size=1, max_size=5),
    words=st.integers(1, 6),
    seed=st.integers(0, 1000),
    permutations=st.sampled_from([16, 64, 128]),
)
def test_signatures_are_those_of_datasketch_bit_for_bit(texts: list[str], words: int, seed: int, permutations: int):
    section = Deduplicate(shingle_words=words, seed=seed, permutations=permutations)
    signed = sign(records_of(texts), section)
    for text, values, count in zip(texts, signed["signature"], signed["shingles"], strict=True):
        tokens = shingles(normalise(text), words)
        expected = MinHash(num_perm=permutations, seed=seed, hashfunc=shingle_hash)
        expected.update_batch([token.encode() for token in tokens])
        assert values.to_list() == expected.hashvalues.tolist()
        assert count == len(tokens)


def test_signatures_fit_their_contract():
    signed = sign(records_of(["one two three four five six", "x"]), SECTION)
    assert Signature.validate(signed).height == 2


def test_no_records_give_no_signatures():
    assert sign(records_of([]), SECTION).schema == Signature.create_empty().schema


def test_signatures_of_another_length_are_refused():
    records = records_of(["one", "two"])
    with pytest.raises(ValueError, match="do not have the 128 values"):
        similar_pairs(sign(records, Deduplicate(permutations=64)), record_text(records), SECTION)


@given(threshold=st.floats(0.05, 1.0), permutations=st.integers(16, 256))
def test_bands_bring_together_98_of_100_pairs_at_the_threshold(threshold: float, permutations: int):
    rows = rows_per_band(threshold, permutations)
    missed = (1 - threshold**rows) ** (permutations // rows)
    assert 1 <= rows <= permutations
    assert rows == 1 or missed <= 0.02


WORDS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=14)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(WORDS.map(" ".join), min_size=2, max_size=12), threshold=st.sampled_from([0.3, 0.5, 0.7, 1.0]))
def test_pairs_carry_their_true_similarity_and_reach_the_threshold(texts: list[str], threshold: float):
    section = Deduplicate(threshold=threshold, shingle_words=2)
    signed = sign(records_of(texts), section)
    for left, right, similarity in similar_pairs(signed, pl.Series(texts), section).iter_rows():
        assert left < right
        assert similarity == pytest.approx(jaccard(texts[left], texts[right], 2))
        assert similarity >= threshold


@pytest.mark.real_data
def test_nearly_all_similar_pairs_of_real_prompts_are_found_and_no_others(shared_data: Path):
    with gzip.open(shared_data / "instruction" / "p3_templates_a.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line, _ in zip(lines, range(1000), strict=False)]
    texts = [normalise(f"{row['prompt']}\n{row['completion']}") for row in rows]
    sets = [shingles(text, 5) for text in texts]
    similar = {
        (i, j) for j in range(len(sets)) for i in range(j) if len(sets[i] & sets[j]) >= 0.7 * len(sets[i] | sets[j])
    }
    found = similar_pairs(sign(records_of(texts), SECTION), pl.Series(texts), SECTION)
    pairs = set(found.select("left", "right").iter_rows())
    assert len(similar) > 500
    assert pairs <= similar
    assert len(pairs) / len(similar) >= 0.98
