import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from support.records import record, records

from fineline.resources.core.presentation.tables import counts_by
from fineline.resources.core.recipe.curation import Balance
from fineline.resources.data.datasets.balance import balanced


def rows_of(counts: dict[str, int], split: str = "train", label: str | None = None) -> pl.DataFrame:
    made = [
        record(f"{split} {n}", source=source, label=label) for source, count in counts.items() for n in range(count)
    ]
    return records(*made).with_columns(split=pl.lit(split))


def test_without_caps_and_weights_every_row_stays():
    rows = rows_of({"a": 3, "b": 2})
    kept, drops = balanced(rows, Balance(), "sft_dataset")
    assert kept.equals(rows)
    assert drops.is_empty()


def test_the_first_rows_of_a_source_and_of_a_label_stay():
    rows = pl.concat([rows_of({"a": 4}, label="x"), rows_of({"a": 3}, label="y"), rows_of({"b": 2})])
    kept, drops = balanced(rows, Balance(maximum_per_label=2, maximum_per_source=3), "sft_dataset")
    assert kept["record_id"].to_list() == rows["record_id"].gather([0, 1, 4, 7, 8]).to_list()
    assert counts_by(drops, "detail") == {"maximum_per_label 2": 3, "maximum_per_source 3": 1}
    assert set(drops["rule"]) == {"over_cap"}


def test_validation_and_test_rows_are_not_balanced():
    rows = rows_of({"a": 5}, "test")
    kept, _ = balanced(rows, Balance(maximum_per_source=1, weights={"a": 0}), "sft_dataset")
    assert kept.equals(rows)


def test_weights_are_the_parts_of_each_source():
    kept, drops = balanced(rows_of({"a": 100, "b": 10, "c": 50}), Balance(weights={"a": 3, "c": 0}), "sft_dataset")
    assert counts_by(kept, "source") == {"a": 30, "b": 10}
    assert counts_by(drops, "detail") == {"more a than its weight": 70, "more c than its weight": 50}


@settings(max_examples=40)
@given(
    counts=st.dictionaries(st.sampled_from("abc"), st.integers(1, 30), min_size=1),
    weights=st.dictionaries(st.sampled_from("abc"), st.floats(0.1, 10), max_size=3),
    wanted=st.integers(1, 40),
)
def test_every_prefix_has_the_mix_and_more_data_drops_no_row(
    counts: dict[str, int], weights: dict[str, float], wanted: int
):
    section = Balance(weights=weights)
    kept, drops = balanced(rows_of(counts), section, "sft_dataset")
    assert kept.height + drops.height == sum(counts.values())
    if weights:
        total = sum(weights.get(source, 1.0) for source in counts)
        begun = kept.head(wanted)
        for source in counts:
            part = weights.get(source, 1.0) / total * begun.height
            assert abs(begun.filter(source=source).height - part) <= 1 + len(counts) / 2
    more, _ = balanced(rows_of({source: count + 5 for source, count in counts.items()}), section, "sft_dataset")
    assert set(kept["record_id"]) <= set(more["record_id"])
