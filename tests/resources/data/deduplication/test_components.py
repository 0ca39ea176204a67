import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from fineline.resources.data.deduplication.components import connect, tie


def parts(labels: pl.Series) -> set[frozenset[int]]:
    return {frozenset(i for i, each in enumerate(labels) if each == label) for label in labels}


def test_edges_connect_nodes():
    labels = connect(5, pl.Series([0, 3]), pl.Series([1, 4]))
    assert parts(labels) == {frozenset({0, 1}), frozenset({2}), frozenset({3, 4})}


def test_nodes_without_edges_are_apart():
    empty = pl.Series([], dtype=pl.UInt32)
    assert connect(3, empty, empty).n_unique() == 3
    assert connect(0, empty, empty).is_empty()


def test_rows_are_tied_through_any_key():
    labels = tie(pl.Series(["a", "a", "b", "c"]), pl.Series(["x", "y", "y", "z"]))
    assert parts(labels) == {frozenset({0, 1, 2}), frozenset({3})}


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12))
def test_rows_that_share_a_value_are_always_together(rows: list[tuple[int, int]]):
    labels = tie(pl.Series([a for a, _ in rows]), pl.Series([b for _, b in rows]))
    for key in (0, 1):
        for i, left in enumerate(rows):
            assert all(labels[i] == labels[j] for j, right in enumerate(rows) if left[key] == right[key])


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12))
def test_no_more_is_tied_than_a_chain_of_shared_values_ties(rows: list[tuple[int, int]]):
    labels = tie(pl.Series([a for a, _ in rows]), pl.Series([b for _, b in rows]))
    reached = {0}
    while True:
        more = {
            j for j, right in enumerate(rows) if any(rows[i][0] == right[0] or rows[i][1] == right[1] for i in reached)
        }
        if more <= reached:
            break
        reached |= more
    assert {i for i, label in enumerate(labels) if label == labels[0]} == reached
