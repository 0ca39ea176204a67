import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineline.data_contracts.messages import messages
from fineline.resources.data.datasets.token_counts import COUNTED, joined, split_known, with_content

SCHEMA = {"record_id": pl.String, "prompt": messages().dtype, "completion": messages().dtype}


def rows_of(said: dict[str, str]) -> pl.DataFrame:
    made = [
        {
            "record_id": name,
            "prompt": [{"role": "user", "content": f"{text}?"}],
            "completion": [{"role": "assistant", "content": text}],
        }
        for name, text in said.items()
    ]
    return with_content(pl.DataFrame(made, schema=SCHEMA))


def counts_of(rows: pl.DataFrame) -> pl.DataFrame:
    length = pl.col("completion").list.first().struct.field("content").str.len_chars()
    return rows.select(
        "record_id", tokens=length, trained_tokens=length, stop_token_trained=length > 0, truncated=length > 9
    )


TEXTS = st.dictionaries(st.sampled_from("abcdefgh"), st.text("xy\n", max_size=3))


@given(TEXTS, TEXTS)
def test_reused_counts_equal_new_counts(before: dict[str, str], now: dict[str, str]):
    none, first = split_known(rows_of(before), None)
    known = joined(none, first, counts_of(first))
    held, new = split_known(rows_of(now), known)
    assert joined(held, new, counts_of(new)).equals(joined(none, rows_of(now), counts_of(rows_of(now))))
    assert set(new["record_id"]) == {name for name, text in now.items() if before.get(name) != text}


@pytest.mark.parametrize("column", ["prompt", "completion"])
def test_a_row_whose_role_changed_is_counted_again(column: str):
    rows = rows_of({"a": "yes"})
    known = joined(pl.DataFrame(schema=COUNTED), rows, counts_of(rows))
    said = pl.lit([[{"role": "tool", "content": "yes"}]]).list.first()
    other = with_content(rows.drop("content").with_columns(said.alias(column)))
    assert split_known(other, known)[1].height == 1
