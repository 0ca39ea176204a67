import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fineline.resources.data.deduplication import buffers as texts
from fineline.resources.data.deduplication.buffers import in_slices, normalise, normalise_all

# Characters that join with neighbours, fold to several, or are spaces only when normalised.
AWKWARD = (
    "\u1100\u1161\u11a8\uac00\u09c7\u09be\uff76\uff9eaAzZ09_ \t\n\x00\x1c\x1f\x7f\x85\xa0"
    "­ßİıŉſẞ́̈ͅ…½ﬁﷺ﷽¨한각글각漢字がｶﾞアพู😊🏳️‍🌈\u2028\u3000\U0001d400\U000e0100𠀀"
)
TEXTS = st.text(st.one_of(st.sampled_from(AWKWARD), st.characters(exclude_categories=["Cs"])), max_size=60)


def strings(series: pl.Series) -> list[str]:
    made = normalise_all(series)
    return [bytes(made.data[made.offsets[row] : made.offsets[row + 1]]).decode() for row in range(made.rows)]


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXTS, max_size=6))
@example(["\u1100\u1161\u11a8", "\uac00\u11a8", "\u09c7\u09be", "\uff76\uff9e"])
@example(["", " ", "  a  b ", "ÅÅÅ", "e\u0301", "\xa0x\xa0"])
def test_kernels_normalise_as_the_reference_does(given_texts: list[str]):
    assert strings(pl.Series(given_texts, dtype=pl.String)) == [normalise(text) for text in given_texts]


def test_every_character_of_the_tables_is_normalised_as_the_reference_does():
    characters = [chr(code) for code in range(0x20000) if not 0xD800 <= code < 0xE000]
    surrounded = [f"X{character}y" for character in characters]
    assert strings(pl.Series(surrounded)) == [normalise(text) for text in surrounded]


def test_slices_keep_the_order_of_the_texts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(texts, "ROWS_AT_ONCE", 3)
    sizes = list(in_slices(pl.Series(["a"] * 7), lambda part: part.rows))
    assert sizes == [3, 3, 1]


def test_a_slice_of_a_longer_series_is_read_from_its_own_start():
    assert strings(pl.Series(["One", "Two", "Three"]).slice(1, 1)) == ["two"]


def test_a_missing_text_is_refused():
    with pytest.raises(ValueError, match="A text is null"):
        normalise_all(pl.Series(["a", None]))


def test_the_given_texts_are_not_changed():
    given_texts = pl.Series(["a\u0327\u0301", "B"])
    assert strings(given_texts) == ["\u00e1\u0327", "b"]
    assert given_texts.to_list() == ["a\u0327\u0301", "B"]
