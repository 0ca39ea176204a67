import polars as pl
import pytest

from fineline.resources.governance.accounting.funnel import funnel, reasons

LEDGER = pl.DataFrame(
    {
        "fate": ["kept", "kept", "kept", "dropped", "dropped", "quarantined", "dropped"],
        "place": [
            "splits/train",
            "splits/train",
            "splits/test",
            "duplicate_clusters/drops",
            "duplicate_clusters/drops",
            "raw_corpus/quarantine",
            "splits/drops",
        ],
        "rule": [None, None, None, "near_duplicate", "near_duplicate", "unreadable_row", "ties_splits"],
    }
)


def test_the_funnel_shows_what_each_stage_left_and_ends_in_the_splits():
    assert funnel(LEDGER) == {
        "came in": 7,
        "read": 6,
        "scrubbed": 6,
        "unique": 4,
        "passed quality": 4,
        "curated": 4,
        "in splits": 3,
        "  train": 2,
        "  test": 1,
    }


def test_a_stage_that_the_funnel_does_not_know_is_an_error_and_not_a_wrong_sum():
    with pytest.raises(ValueError, match="1 records were stopped by elsewhere"):
        funnel(LEDGER.with_columns(place=pl.col("place").str.replace("raw_corpus", "elsewhere")))


def test_reasons_are_counted_by_rule_and_place_the_most_frequent_first():
    assert list(reasons(LEDGER).items()) == [
        ("near_duplicate (duplicate_clusters/drops)", 2),
        ("ties_splits (splits/drops)", 1),
        ("unreadable_row (raw_corpus/quarantine)", 1),
    ]
