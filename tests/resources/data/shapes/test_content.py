import datetime
import random

from hypothesis import given
from hypothesis import strategies as st

from fineline.resources.data.shapes.content import row_id

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ROWS = st.dictionaries(st.text(max_size=8), VALUES, max_size=5)
TEXT_ROWS = st.dictionaries(st.text(max_size=8), st.text(), min_size=1, max_size=5)
SOURCES = st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True)


@given(SOURCES, ROWS)
def test_an_identity_is_32_lower_case_hexadecimal_digits(source, row):
    identity = row_id(source, row)
    assert len(identity) == 32
    assert set(identity) <= set("0123456789abcdef")


@given(SOURCES, ROWS, st.randoms())
def test_the_order_of_columns_plays_no_part(source, row, chance: random.Random):
    names = list(row)
    chance.shuffle(names)
    assert row_id(source, {name: row[name] for name in names}) == row_id(source, row)


@given(SOURCES, SOURCES, ROWS)
def test_another_source_is_another_record(source, other, row):
    assert (row_id(source, row) == row_id(other, row)) == (source == other)


@given(SOURCES, TEXT_ROWS, TEXT_ROWS)
def test_any_change_of_content_is_another_record(source, row, other):
    assert (row_id(source, row) == row_id(source, other)) == (row == other)


@given(SOURCES, TEXT_ROWS, st.data())
def test_one_more_character_is_another_record(source, row, data):
    column = data.draw(st.sampled_from(sorted(row)))
    assert row_id(source, row | {column: row[column] + "."}) != row_id(source, row)


def test_a_number_is_not_the_text_that_looks_like_it():
    assert row_id("corpus", {"text": 1}) != row_id("corpus", {"text": "1"})


def test_a_null_counts_as_absent_since_tables_fill_nulls_in():
    row = {"messages": [{"role": "user", "content": "hello"}]}
    filled = {"messages": [{"role": "user", "content": "hello", "name": None}], "text": None}
    assert row_id("corpus", filled) == row_id("corpus", row)


def test_a_date_of_a_parquet_file_has_an_identity():
    day = datetime.date(2024, 5, 17)
    assert row_id("corpus", {"day": day}) != row_id("corpus", {"day": "2024-05-17"})


def test_identities_do_not_change_from_run_to_run_or_release_to_release():
    # Splits and ledgers are kept by identity: changing the hash orphans all that was built before.
    assert row_id("corpus", {"text": "Grüße", "n": [1, 2.5, True]}) == "ec1c4dde93a58f8761a3461c35ad3a6a"
