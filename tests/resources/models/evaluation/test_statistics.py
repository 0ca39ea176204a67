import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from fineline.resources.models.evaluation.statistics import bootstrap_interval, compare_slices, paired_test

OPTIONS = {"samples": 2000, "confidence": 0.95, "seed": 0}
losses = st.lists(st.floats(0, 20), min_size=2, max_size=40).map(np.array)


def losses_of(values: dict[str, list[float]], *, source: str = "a", label: str | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (f"{source}-{label}-{at}", model, source, label, 3, loss)
            for model, row in values.items()
            for at, loss in enumerate(row)
        ],
        schema=["record_id", "model", "source", "label", "answer_tokens", "loss"],
        schema_overrides={"label": pl.String},
        orient="row",
    )


def test_bootstrap_interval_is_that_of_the_normal_distribution_for_many_values():
    values = np.random.default_rng(1).normal(5, 2, 1000)
    interval = bootstrap_interval(values, 4000, 0.95, 0)
    error = 1.96 * values.std() / np.sqrt(1000)
    assert interval.low == pytest.approx(values.mean() - error, abs=0.02)
    assert interval.high == pytest.approx(values.mean() + error, abs=0.02)


@settings(max_examples=25, deadline=None)
@given(losses)
def test_interval_holds_the_mean_and_stays_within_the_values(values):
    interval = bootstrap_interval(values, 200, 0.95, 0)
    rounding = 1e-9 * (1 + values.max())
    assert values.min() - rounding <= interval.low <= interval.high <= values.max() + rounding
    assert interval.low - rounding <= np.quantile(values, 1.0)
    assert interval.mean == pytest.approx(values.mean())


def test_higher_confidence_gives_a_wider_interval():
    values = np.random.default_rng(1).normal(size=50)
    narrow, wide = (bootstrap_interval(values, 2000, c, 0) for c in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_clear_improvement_has_the_least_p_value_and_an_interval_below_zero():
    before = np.linspace(2, 3, 40)
    test = paired_test(before, before - 0.5, **OPTIONS)
    assert test.change == pytest.approx(-0.5)
    assert test.high < 0
    assert test.p_value == pytest.approx(1 / 2001)


def test_p_value_of_few_records_is_exact():
    """Of the 8 ways to flip the signs of 3 differences, the 2 with equal signs are as extreme."""
    assert paired_test(np.zeros(3), np.array([1.0, 2.0, 3.0]), **OPTIONS).p_value == 2 / 8


def test_one_record_has_an_interval_of_one_point_and_no_evidence():
    test = paired_test(np.array([2.0]), np.array([1.5]), **OPTIONS)
    assert (test.change, test.low, test.high, test.p_value) == (-0.5, -0.5, -0.5, 1.0)


def test_no_difference_at_all_has_p_value_one():
    same = np.linspace(2, 3, 40)
    assert paired_test(same, same, **OPTIONS).p_value == 1.0


def test_p_value_is_near_that_of_the_wilcoxon_test():
    generator = np.random.default_rng(3)
    before = generator.normal(3, 1, 60)
    after = before + generator.normal(-0.08, 0.3, 60)
    assert paired_test(before, after, **OPTIONS).p_value == pytest.approx(wilcoxon(after - before).pvalue, abs=0.05)


def test_p_values_are_uniform_when_nothing_changed():
    generator = np.random.default_rng(4)
    options = {**OPTIONS, "samples": 199}
    values = [paired_test(np.zeros(30), generator.normal(size=30), **options).p_value for _ in range(300)]
    assert np.mean(np.array(values) <= 0.05) == pytest.approx(0.05, abs=0.035)
    assert np.mean(np.array(values) <= 0.5) == pytest.approx(0.5, abs=0.1)


@settings(max_examples=25, deadline=None)
@given(losses, st.integers(0, 5))
def test_swapping_the_models_turns_the_difference_and_keeps_the_p_value(values, seed):
    other = np.roll(values, 1) * 0.9
    options = {"samples": 200, "confidence": 0.9, "seed": seed}
    one, two = paired_test(values, other, **options), paired_test(other, values, **options)
    assert one.change == pytest.approx(-two.change)
    assert one.p_value == two.p_value


def test_same_seed_gives_the_same_test():
    before, after = np.linspace(0, 1, 20), np.linspace(0, 1.1, 20)
    assert paired_test(before, after, **OPTIONS) == paired_test(before, after, **OPTIONS)


def test_slices_below_the_minimum_of_rows_are_left_out():
    table = pl.concat(
        [
            losses_of({"old": [2.0] * 5, "new": [1.0] * 5}, label="x"),
            losses_of({"old": [2.0] * 3, "new": [1.0] * 3}, label="y"),
            losses_of({"old": [1.0] * 6, "new": [1.5] * 6}),
        ]
    )
    slices = compare_slices(table, "old", "new", minimum_rows=5)
    assert slices.rows() == [("a", None, 6, 1.0, 1.5, 0.5), ("a", "x", 5, 2.0, 1.0, -1.0)]
