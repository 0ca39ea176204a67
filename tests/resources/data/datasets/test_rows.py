import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.records import record, records

from fineline.data_contracts.datasets import PreferenceRow, SftRow
from fineline.data_contracts.enforcement import enforce
from fineline.resources.core.presentation.tables import counts_by
from fineline.resources.core.recipe.curation import Balance
from fineline.resources.core.recipe.datasets import Preference, Sft
from fineline.resources.data.datasets.rows import candidates, sample, selected, with_rejected


def corpus(count=12, **values):
    return records(*[record(f"answer number {n}", **values) for n in range(count)])


def assigned(table, splits=("train",)):
    split = [splits[n % len(splits)] for n in range(table.height)]
    return pl.DataFrame({"record_id": table["record_id"], "split": split})


def counted(rows, tokens=20, trained=5, stop=True):
    return rows.select(
        "record_id",
        tokens=pl.lit(tokens, pl.UInt32),
        trained_tokens=pl.lit(trained, pl.UInt32),
        stop_token_trained=pl.lit(stop),
        truncated=pl.lit(False),
    )


def test_only_records_of_the_kind_and_sources_are_candidates():
    table = pl.concat([corpus(3), corpus(3, source="other"), corpus(3, kind="text")])
    table = table.unique("record_id")
    found = candidates(table, assigned(table), "chat", ["notes"])
    assert set(found["source"]) == {"notes"}
    assert set(found["kind"].cast(pl.String)) == {"chat"}


@given(st.permutations(range(12)), st.integers(1, 6))
@settings(max_examples=20)
def test_a_sample_does_not_depend_on_the_order_of_the_records(order, size):
    table = corpus()
    shuffled = table[list(order)]
    section = Sft(train_rows=size)
    assert (
        sample(candidates(table, assigned(table), "chat"), section)["record_id"].to_list()
        == sample(candidates(shuffled, assigned(table), "chat"), section)["record_id"].to_list()
    )


def test_a_larger_sample_holds_the_smaller_one():
    rows = candidates(corpus(), assigned(corpus()), "chat")
    small, large = (set(sample(rows, Sft(train_rows=n))["record_id"]) for n in (3, 6))
    assert small < large


@pytest.mark.parametrize(
    ("counts", "rule"),
    [({"tokens": 600}, "too_long"), ({"trained": 0}, "no_trained_tokens"), ({}, "not_sampled")],
)
def test_a_row_that_is_left_out_has_a_rule(counts, rule):
    rows = candidates(corpus(2), assigned(corpus(2)), "chat")
    both = pl.concat([counted(rows.head(1)), counted(rows.tail(1), **counts)])
    made = selected("sft_dataset", rows, both, Sft(train_rows=1), Balance(), ["prompt", "completion"])
    assert made.drops["rule"].to_list() == [rule]
    assert made.rows_in == made.frame.height + made.drops.height == 2


def test_rows_beyond_a_cap_and_a_mix_are_left_out_with_their_rules():
    table = pl.concat([corpus(6), corpus(3, source="other"), corpus(2, source="third", label="a")]).unique("record_id")
    rows = candidates(table, assigned(table), "chat")
    section = Balance(maximum_per_source=5, maximum_per_label=1, weights={"other": 2, "third": 0})
    made = selected("sft_dataset", rows, counted(rows), Sft(), section, ["prompt", "completion"])
    assert made.rows_in == made.frame.height + made.drops.height == 11
    assert counts_by(made.drops, "rule") == {"mixing": 5, "over_cap": 2}
    assert counts_by(made.frame, "source") == {"notes": 1, "other": 3}


def test_json_lines_hold_just_the_columns_that_trl_reads():
    rows = candidates(corpus(4), assigned(corpus(4), ("train", "test")), "chat")
    made = selected("sft_dataset", rows, counted(rows), Sft(), Balance(), ["prompt", "completion"])
    lines = [json.loads(line) for line in made.exports["test.jsonl"].splitlines()]
    assert [list(line) for line in lines] == [["prompt", "completion"]] * 2
    assert made.exports["validation.jsonl"] == b""
    assert enforce(SftRow, made.frame).bad.is_empty()


def test_untrained_stop_tokens_are_counted():
    rows = candidates(corpus(3), assigned(corpus(3)), "chat")
    made = selected("sft_dataset", rows, counted(rows, stop=False), Sft(), Balance(), ["prompt", "completion"])
    assert made.facts["rows without a trained stop token"] == 3


def test_a_sampled_answer_becomes_the_rejected_one():
    rows = candidates(corpus(3), assigned(corpus(3)), "chat")
    own = rows["completion"].list.first().struct.field("content").to_list()
    answers = pl.DataFrame({"record_id": rows["record_id"], "answer": ["a guess\n", "  ", own[2]]})
    pairs, unusable = with_rejected(rows, answers)
    assert pairs["rejected"].to_list() == [[{"role": "assistant", "content": "a guess"}]]
    assert unusable["record_id"].to_list() == rows["record_id"].to_list()[1:]
    columns = ["prompt", "chosen", "rejected"]
    made = selected(
        "sft_dataset", pairs.rename({"completion": "chosen"}), counted(pairs), Preference(), Balance(), columns
    )
    assert enforce(PreferenceRow, made.frame).bad.is_empty()
