from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.hashes import content_hash

from fineline.data_contracts.accounting import Drop, LedgerEntry
from fineline.data_contracts.curation import SplitAssignment
from fineline.resources.governance.accounting.ledger import Gaps, build, find_gaps, funnel, reasons, tally

NO_GAPS = Gaps(missing=0, repeated=0, unknown=0, unrecorded=0)
RAW_SCHEMA = {"record_id": pl.String, "batch": pl.String, "source": pl.String, "copy": pl.UInt32}


def raw(*rows: tuple[str, str, int]) -> pl.DataFrame:
    made = [(content_hash(name), batch, "corpus", copy) for name, batch, copy in rows]
    return pl.DataFrame(made, schema=RAW_SCHEMA, orient="row")


def drop(name: str, asset: str, rule: str, batch: str = "a", fate: str = "dropped", **more: Any) -> dict[str, Any]:
    return {
        "record_id": content_hash(name),
        "source": "corpus",
        "batch": batch,
        "asset": asset,
        "fate": fate,
        "rule": rule,
        "detail": None,
        **more,
    }


def drops_of(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=Drop.create_empty().schema)


def kept(*rows: tuple[str, str, str]) -> pl.DataFrame:
    """The assignment of kept records, of (name, batch, split)."""
    return pl.DataFrame(
        [(content_hash(name), batch, "corpus", split, name, "all") for name, batch, split in rows],
        schema=SplitAssignment.create_empty().schema,
        orient="row",
    )


def entries(ledger: pl.DataFrame) -> list[tuple[Any, ...]]:
    return sorted(ledger.select("batch", "copy", "fate", "place", "rule").rows())


def test_a_kept_record_is_in_its_split():
    ledger = build(raw(("x", "a", 0)), drops_of(), kept(("x", "a", "test")))
    assert entries(LedgerEntry.validate(ledger)) == [("a", 0, "kept", "splits/test", None)]


def test_a_dropped_record_names_the_asset_and_the_rule():
    rows = raw(("x", "a", 0))
    ledger = build(rows, drops_of(drop("x", "record_quality", "refusal")), kept())
    assert entries(ledger) == [("a", 0, "dropped", "record_quality/drops", "refusal")]


def test_a_quarantined_row_is_in_the_quarantine_of_its_asset():
    rows = raw(("x", "a", 0))
    drops = drops_of(drop("x", "scrubbed_corpus", "completion_has_text", fate="quarantined"))
    assert entries(build(rows, drops, kept())) == [
        ("a", 0, "quarantined", "scrubbed_corpus/quarantine", "completion_has_text")
    ]


def test_the_first_of_repeated_rows_goes_on_and_each_repeat_has_its_own_entry():
    rows = raw(("x", "a", 0), ("x", "a", 1), ("x", "a", 2))
    repeated = [drop("x", "raw_corpus", "repeated_row", detail=f"copy {copy}") for copy in (1, 2)]
    ledger = build(rows, drops_of(*repeated), kept(("x", "a", "train")))
    assert [(copy, fate) for _, copy, fate, *_ in entries(ledger)] == [(0, "kept"), (1, "dropped"), (2, "dropped")]
    assert ledger["detail"].to_list() == [None, "copy 1", "copy 2"]
    assert find_gaps(ledger, rows, drops_of(*repeated)) == NO_GAPS


def test_equal_rows_that_could_not_be_read_have_an_entry_each():
    rows = raw(("x", "a", 0), ("x", "a", 1))
    drops = drops_of(*[drop("x", "raw_corpus", "unreadable_row", fate="quarantined")] * 2)
    ledger = LedgerEntry.validate(build(rows, drops, kept()))
    assert find_gaps(ledger, rows, drops) == NO_GAPS


def test_the_same_record_in_two_batches_is_kept_from_one_and_dropped_from_the_other():
    rows = raw(("x", "a", 0), ("x", "b", 0))
    drops = drops_of(drop("x", "duplicate_clusters", "exact_duplicate", "b"))
    ledger = build(rows, drops, kept(("x", "a", "train")))
    assert [(batch, fate) for batch, _, fate, *_ in entries(ledger)] == [("a", "kept"), ("b", "dropped")]
    assert find_gaps(ledger, rows, drops) == NO_GAPS


def test_a_row_that_lost_its_source_counts_for_the_source_it_came_from():
    rows = raw(("x", "a", 0))
    drops = drops_of(drop("x", "raw_corpus", "source|nullability", fate="quarantined", source=""))
    assert build(rows, drops, kept())["source"].to_list() == ["corpus"]


def test_a_row_without_a_fate_is_missing():
    rows = raw(("x", "a", 0))
    ledger = build(rows, drops_of(), kept())
    assert ledger.is_empty()
    assert find_gaps(ledger, rows, drops_of()) == Gaps(missing=1, repeated=0, unknown=0, unrecorded=0)


def test_a_row_with_two_fates_is_repeated():
    rows, drops = raw(("x", "a", 0)), drops_of(drop("x", "record_quality", "refusal"))
    ledger = build(rows, drops, kept(("x", "a", "train")))
    assert find_gaps(ledger, rows, drops) == Gaps(missing=0, repeated=1, unknown=0, unrecorded=0)


def test_a_drop_of_a_row_that_never_came_in_is_unknown():
    drops = drops_of(drop("x", "record_quality", "refusal"))
    ledger = build(raw(), drops, kept())
    assert find_gaps(ledger, raw(), drops) == Gaps(missing=0, repeated=0, unknown=1, unrecorded=0)


def test_a_kept_record_that_never_came_in_is_unknown():
    ledger = build(raw(), drops_of(), kept(("x", "a", "train")))
    assert find_gaps(ledger, raw(), drops_of()) == Gaps(missing=0, repeated=0, unknown=1, unrecorded=0)


def test_a_drop_that_the_ledger_does_not_hold_is_unrecorded():
    rows, drops = raw(("x", "a", 0)), drops_of(drop("x", "record_quality", "refusal"))
    assert find_gaps(LedgerEntry.create_empty(), rows, drops).unrecorded == 1


FATES = st.sampled_from(["train", "validation", "test", "unreadable", "scrub", "duplicate", "quality"])
DROPS = {
    "unreadable": ("raw_corpus", "unreadable_row", "quarantined"),
    "scrub": ("scrubbed_corpus", "completion_has_text", "quarantined"),
    "duplicate": ("duplicate_clusters", "near_duplicate", "dropped"),
    "quality": ("record_quality", "too_few_words", "dropped"),
}
Account = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    """The tables of a pipeline in which every row has one fate: raw, drops, assignment."""
    arrivals = draw(
        st.dictionaries(
            st.tuples(st.sampled_from("uvwxyz"), st.sampled_from("ab")),
            st.tuples(st.integers(1, 4), FATES),
            min_size=1,
        )
    )
    rows, drops, stays = [], [], {}
    for (name, batch), (copies, fate) in arrivals.items():
        rows += [(name, batch, copy) for copy in range(copies)]
        if fate == "unreadable":
            drops += [drop(name, *DROPS[fate][:2], batch, DROPS[fate][2])] * copies
            continue
        drops += [drop(name, "raw_corpus", "repeated_row", batch)] * (copies - 1)
        if fate in DROPS:
            asset, rule, gone = DROPS[fate]
            drops.append(drop(name, asset, rule, batch, gone))
        elif name in stays:
            drops.append(drop(name, "duplicate_clusters", "exact_duplicate", batch))
        else:
            stays[name] = (name, batch, fate)
    return raw(*rows), drops_of(*drops), kept(*stays.values())


@settings(max_examples=60, deadline=None)
@given(accounts())
def test_the_sums_of_a_pipeline_close(account: Account):
    rows, drops, assignment = account
    ledger = LedgerEntry.validate(build(rows, drops, assignment))
    assert ledger.height == rows.height == drops.height + assignment.height
    assert find_gaps(ledger, rows, drops) == NO_GAPS


@settings(max_examples=60, deadline=None)
@given(account=accounts(), data=st.data())
def test_a_lost_drop_leaves_a_gap(account: Account, data: st.DataObject):
    rows, drops, assignment = account
    if drops.is_empty():
        return
    lost = data.draw(st.integers(0, drops.height - 1))
    fewer = drops.with_row_index().filter(pl.col("index") != lost).drop("index")
    assert find_gaps(build(rows, fewer, assignment), rows, fewer).missing == 1


@settings(max_examples=60, deadline=None)
@given(account=accounts(), data=st.data())
def test_a_drop_told_twice_leaves_a_gap(account: Account, data: st.DataObject):
    rows, drops, assignment = account
    if drops.is_empty():
        return
    twice = pl.concat([drops, drops[[data.draw(st.integers(0, drops.height - 1))]]])
    gaps = find_gaps(build(rows, twice, assignment), rows, twice)
    assert gaps.repeated + gaps.unknown == 1


@settings(max_examples=60, deadline=None)
@given(account=accounts())
def test_a_lost_kept_record_leaves_a_gap(account: Account):
    rows, drops, assignment = account
    fewer = assignment.slice(1)
    gaps = find_gaps(build(rows, drops, fewer), rows, drops)
    assert gaps.missing == assignment.height - fewer.height


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


def test_the_funnel_shows_what_each_step_left_and_ends_in_the_splits():
    assert funnel(tally(LEDGER.lazy())) == {
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


def test_an_asset_that_the_funnel_does_not_know_is_an_error_and_not_a_wrong_sum():
    elsewhere = LEDGER.lazy().with_columns(place=pl.col("place").str.replace("raw_corpus", "elsewhere"))
    with pytest.raises(ValueError, match="1 records were stopped by elsewhere"):
        funnel(tally(elsewhere))


def test_reasons_are_counted_by_rule_and_place_the_most_frequent_first():
    assert list(reasons(tally(LEDGER.lazy())).items()) == [
        ("near_duplicate (duplicate_clusters/drops)", 2),
        ("ties_splits (splits/drops)", 1),
        ("unreadable_row (raw_corpus/quarantine)", 1),
    ]
