import numpy as np
import polars as pl
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st
from support.hashes import content_hash

from fineline.resources.core.recipe.curation import Deduplicate
from fineline.resources.data.deduplication.buffers import normalise
from fineline.resources.data.deduplication.kernels.text import xxh64
from fineline.resources.data.deduplication.shingles import ShingleSets, shingles, units
from fineline.resources.data.deduplication.signatures import sketch

PIECES = [
    "a",
    "word",
    " ",
    "(",
    ")",
    "=",
    '"',
    ";",
    "'",
    "-",
    ".",
    "é",
    "’",
    "“",
    "你",
    "好",
    "。",
    "พู",
    "ア",
    "𠀀",
    "1",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in units(text)]


def test_units_of_prose_are_its_words():
    assert cut("don't stop (now), “she” said: 3.5 e-mails") == [
        *("don't", "stop", "(now),", "“she”", "said:", "3.5", "e-mails")
    ]


def test_units_of_scripts_without_spaces_are_characters_with_their_marks():
    assert cut("你好。世界 ok") == ["你", "好。", "世", "界", "ok"]
    assert cut("กำลัง") == ["กำ".replace("ำ", ""), "ำ", "ลั", "ง"]


def test_units_of_code_end_at_brackets_and_operators():
    assert cut('print("x");y=f(a)') == ['print("', 'x");', "y=", "f(", "a)"]


def test_shingles_are_runs_of_units_as_they_stand_in_the_text():
    assert shingles("a b c d", 2) == {"a b", "b c", "c d"}
    assert shingles("你好世界", 2) == {"你好", "好世", "世界"}


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=4), words=st.integers(1, 6))
def test_kernels_find_the_shingles_of_the_reference(texts: list[str], words: int):
    sets = ShingleSets.of(pl.Series(texts), words)
    for row, text in enumerate(texts):
        expected = {xxhash.xxh64_intdigest(shingle.encode()) for shingle in shingles(normalise(text), words)}
        found = sets.hashes[sets.bounds[row] : sets.bounds[row + 1]].tolist()
        assert len(found) == len(expected)
        assert set(found) == expected


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200), seed=st.integers(0, 2**64 - 1))
def test_xxh64_is_the_published_one(data: bytes, seed: int):
    padded = np.frombuffer(data + b"x" * 32, np.uint8)
    assert int(xxh64(padded.ctypes.data, 0, len(data), np.uint64(seed))) == xxhash.xxh64_intdigest(data, seed)


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=4))
def test_sketches_describe_the_normalised_text(texts: list[str]):
    made = sketch(pl.Series(texts), Deduplicate(permutations=16))
    forms = [normalise(text) for text in texts]
    assert made["content_hash"].to_list() == [content_hash(form) for form in forms]
    assert made["characters"].to_list() == [len(form) for form in forms]
    assert made["words"].to_list() == [len(form.split()) for form in forms]


def test_a_text_of_many_megabytes_is_one_record_like_others():
    text = "word " * 2_000_000
    made = sketch(pl.Series([text, "a b"]), Deduplicate(shingle_words=2, permutations=16))
    assert made["shingles"].to_list() == [1, 1]
    assert made["words"].to_list() == [2_000_000, 2]
