from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fineline.resources.data.deduplication import lsh as bands
from fineline.resources.data.deduplication.lsh import band_keys, candidates, members

ROWS = st.lists(st.lists(st.integers(0, 2), min_size=3, max_size=3), max_size=12)


def keys_of(rows: list[list[int]]) -> np.ndarray:
    return (np.array(rows, dtype=np.uint64).reshape(-1, 3) + 1) << np.uint64(1)


def paired(rows: list[list[int]], order: list[int] | None = None, threshold: float = 0.1, sizes=None):
    sizes = np.full(len(rows), 10, np.uint32) if sizes is None else np.array(sizes, np.uint32)
    order = np.arange(len(rows)) if order is None else np.array(order)
    return candidates(keys_of(rows), order, sizes, threshold).rows()


@settings(max_examples=200, deadline=None)
@given(ROWS)
def test_all_pairs_that_share_a_band_are_candidates_once(rows: list[list[int]]):
    expected = [
        (left, right)
        for left in range(len(rows))
        for right in range(left + 1, len(rows))
        if any(one == other for one, other in zip(rows[left], rows[right], strict=True))
    ]
    assert paired(rows) == expected


@settings(max_examples=200, deadline=None)
@given(rows=ROWS, leaders=st.integers(1, 3))
def test_only_the_first_members_of_a_large_bucket_are_paired_with_all(rows: list[list[int]], leaders: int):
    expected = set()
    for band in range(3):
        for key in range(3):
            bucket = [row for row in range(len(rows)) if rows[row][band] == key]
            expected |= {(left, right) for left in bucket[:leaders] for right in bucket if left < right}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bands, "BUCKET_LEADERS", leaders)
        assert paired(rows) == sorted(expected)


def test_pairs_are_positions_in_the_order_given():
    assert paired([[0, 0, 0], [1, 1, 1], [0, 2, 2]], order=[2, 1, 0]) == [(0, 2)]
    assert paired([[0, 0, 0], [1, 1, 1], [0, 2, 2]], order=[1, 0]) == []


def test_pairs_whose_sizes_rule_the_threshold_out_are_skipped():
    rows = [[0, 0, 0]] * 3
    assert paired(rows, threshold=0.7, sizes=[7, 10, 6]) == [(0, 1), (0, 2)]


def test_the_keys_of_two_records_agree_in_the_bands_in_which_their_signatures_do():
    first = np.arange(16, dtype=np.uint32)
    second = np.where(np.arange(16) == 3, 99, first)
    keys = band_keys(pl.Series([first.tolist(), second.tolist()], dtype=pl.List(pl.UInt32)), 0.9, 16)
    rows = bands.rows_per_band(0.9, 16)
    assert (keys[0] != keys[1]).nonzero()[0].tolist() == [3 // rows]


def test_members_are_the_rows_of_all_pairs_and_the_positions_of_each_pair():
    rows, left, right = members(
        pl.DataFrame({"left": [2, 2, 5], "right": [5, 9, 9]}, schema_overrides={"left": pl.UInt32})
    )
    assert rows.tolist() == [2, 5, 9]
    assert (left.tolist(), right.tolist()) == ([0, 0, 1], [1, 2, 2])
    assert all(one < other for one, other in pairwise(rows))
