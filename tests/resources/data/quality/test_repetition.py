from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fineline.resources.data.quality.repetition import REPEATED, TOP, repetition


def by_hand(text: str) -> dict[str, float]:
    """Gopher's definition, word for word."""
    words = text.lower().split()
    total = sum(map(len, words))
    shares = {}
    for size in TOP:
        runs = Counter(tuple(words[start : start + size]) for start in range(len(words) - size + 1))
        room = [count * len("".join(run)) for run, count in runs.items() if count > 1]
        shares[f"top_{size}gram_characters"] = min(max(room, default=0) / total, 1.0) if total else 0.0
    for size in REPEATED:
        seen, inside = set(), set()
        for start in range(len(words) - size + 1):
            run = tuple(words[start : start + size])
            inside |= set(range(start, start + size)) if run in seen else set()
            seen.add(run)
        shares[f"repeated_{size}gram_characters"] = sum(len(words[at]) for at in inside) / total if total else 0.0
    return shares


WORDS = st.lists(st.sampled_from(["a", "bb", "Bb", "ccc"]), max_size=40).map(" ".join)


@settings(max_examples=60)
@given(st.lists(WORDS, max_size=6))
def test_shares_are_those_of_the_definition(texts: list[str]):
    found = repetition(pl.Series(texts, dtype=pl.String)).to_dicts()
    assert len(found) == len(texts)
    for text, shares in zip(texts, found, strict=True):
        assert shares == pytest.approx(by_hand(text))


def test_one_text_does_not_repeat_another():
    found = repetition(pl.Series(["one two three four five six", "one two three four five six"]))
    assert found.sum_horizontal().to_list() == [0.0, 0.0]
