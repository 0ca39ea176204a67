import numpy as np
import polars as pl

from fineline.resources.core.recipe.models import Evaluation, Promotion
from fineline.resources.models.evaluation.promotion import judge

SECTION, EVALUATION = Promotion(), Evaluation()


def held_out(
    *,
    candidate: float,
    unigram: float = 6.0,
    source: str = "a",
    label: str | None = None,
    rows: int = 40,
    spread: float = 0.05,
):
    base = np.random.default_rng(0).normal(3.0, 0.3, rows)
    noise = np.random.default_rng(1).normal(0, spread, rows)
    values = {"base": base, "new": base + candidate + noise, "unigram": np.full(rows, unigram) + noise}
    return pl.DataFrame(
        [
            (f"{source}-{label}-{at}", model, source, label, 5, float(loss))
            for model, row in values.items()
            for at, loss in enumerate(row)
        ],
        schema=["record_id", "model", "source", "label", "answer_tokens", "loss"],
        schema_overrides={"label": pl.String},
        orient="row",
    )


def test_clearly_better_model_is_promoted_with_figures_in_its_reasons():
    verdict = judge(held_out(candidate=-0.4), "new", "base", SECTION, EVALUATION)
    assert verdict.promote
    assert verdict.reasons[0].startswith("new improves on base by +0.3")
    assert "40 held-out records" in verdict.reasons[0]
    assert "p = 0.0005" in verdict.reasons[0]
    assert verdict.table["comparison"].to_list() == ["against base", "against unigram", "slice a"]
    assert verdict.table["holds"].all()


def test_model_that_is_no_better_than_the_base_is_refused():
    verdict = judge(held_out(candidate=0.0), "new", "base", SECTION, EVALUATION)
    assert not verdict.promote
    assert verdict.reasons[0].startswith("new does not improve enough on base")


def test_worse_model_is_refused_however_sure_the_difference_is():
    verdict = judge(held_out(candidate=0.3), "new", "base", Promotion(maximum_slice_regression=9), EVALUATION)
    assert not verdict.promote
    assert verdict.table["p_value"][0] < 0.05


def test_improvement_that_may_be_chance_is_refused():
    verdict = judge(held_out(candidate=-0.1, spread=0.8), "new", "base", SECTION, EVALUATION)
    assert not verdict.promote
    assert verdict.table["change"][0] < 0
    assert verdict.table["p_value"][0] > 0.05


def test_improvement_below_the_minimum_is_refused():
    section = Promotion(minimum_improvement=0.5)
    assert not judge(held_out(candidate=-0.4), "new", "base", section, EVALUATION).promote


def test_model_that_loses_to_unigram_frequencies_is_refused():
    verdict = judge(held_out(candidate=-0.4, unigram=2.0), "new", "base", SECTION, EVALUATION)
    assert not verdict.promote
    assert any(reason.startswith("new does not improve enough on unigram") for reason in verdict.reasons)


def test_one_slice_that_got_worse_stops_a_model_that_is_better_on_average():
    losses = pl.concat([held_out(candidate=-0.6, rows=90), held_out(candidate=0.3, source="b", label="maths", rows=25)])
    verdict = judge(losses, "new", "base", SECTION, EVALUATION)
    assert not verdict.promote
    assert verdict.table.filter(pl.col("comparison") == "slice b, maths")["holds"].to_list() == [False]
    assert any("In the slice b, maths (25 records) the loss rises by 0.3" in reason for reason in verdict.reasons)


def test_slice_of_few_records_is_not_judged():
    losses = pl.concat([held_out(candidate=-0.6, rows=90), held_out(candidate=0.3, source="b", rows=19)])
    assert judge(losses, "new", "base", SECTION, EVALUATION).promote
