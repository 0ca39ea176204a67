import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineline.resources.data.splitting.placement import Group, Placement, round_shares

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


def groups_of(*counts: dict[str, int], seed: int = 0) -> list[Group]:
    draw = random.Random(seed)
    return [Group(each, draw.random()) for each in counts]


def targets(groups: list[Group]) -> dict[str, dict[str, int]]:
    strata = {stratum for group in groups for stratum in group.counts}
    totals = {stratum: sum(group.counts.get(stratum, 0) for group in groups) for stratum in strata}
    return {stratum: round_shares(total, SHARES, 0.5) for stratum, total in totals.items()}


def test_a_group_has_the_size_of_all_its_strata():
    assert Group({"a": 2, "b": 3}, 0.0).size == 5


@given(total=st.integers(0, 10_000), uniform=st.floats(0, 1, exclude_max=True))
def test_rounded_shares_sum_to_the_total_and_are_within_a_record(total: int, uniform: float):
    rounded = round_shares(total, SHARES, uniform)
    assert sum(rounded.values()) == total
    assert all(abs(rounded[split] - SHARES[split] * total) < 1 + 1e-6 for split in ("validation", "test"))


def test_shares_of_small_strata_are_rounded_both_ways():
    rounded = [round_shares(4, SHARES, number / 100)["test"] for number in range(100)]
    assert sum(rounded) / 100 == pytest.approx(0.4, abs=0.011)


@pytest.mark.parametrize("seed", range(5))
def test_equal_groups_fill_each_split_to_its_share(seed: int):
    groups = groups_of(*[{"a": 4}] * 100, seed=seed)
    splits = Placement(targets(groups)).place(groups)
    assert [splits.count(split) for split in SHARES] == [80, 10, 10]


@pytest.mark.parametrize("seed", range(5))
def test_no_held_out_split_gets_more_than_its_share_from_large_groups(seed: int):
    groups = groups_of(*[{"a": 15}] * 10, seed=seed)
    splits = Placement(targets(groups)).place(groups)
    assert [splits.count(split) for split in SHARES] == [8, 1, 1]


def test_records_that_are_placed_already_count():
    groups = groups_of(*[{"a": 1}] * 100)
    placement = Placement({"a": {"train": 160, "validation": 20, "test": 20}})
    placement.put({"a": 20}, "test")
    placement.put({"a": 80}, "train")
    splits = placement.place(groups)
    assert splits.count("test") == 0
    assert splits.count("validation") == 20


def test_groups_left_in_train_by_the_draw_move_to_where_a_share_is_missed():
    groups = [Group({"a": 1}, 0.999) for _ in range(100)]
    splits = Placement(targets(groups)).place(groups)
    assert [splits.count(split) for split in SHARES] == [80, 10, 10]


@pytest.mark.parametrize("seed", range(5))
def test_groups_over_several_strata_keep_each_near_its_share(seed: int):
    draw = random.Random(seed)
    mixed = [{"a": draw.randint(1, 9), "b": draw.randint(1, 4), "c": 1} for _ in range(200)]
    groups = sorted(groups_of(*mixed, seed=seed), key=lambda group: -group.size)
    splits = Placement(targets(groups)).place(groups)
    for stratum, target in targets(groups).items():
        total = sum(target.values())
        for split in ("validation", "test"):
            got = sum(g.counts[stratum] for g, placed in zip(groups, splits, strict=True) if placed == split)
            assert abs(got / total - SHARES[split]) <= 0.02
