import polars as pl
import pytest
from support.records import record, records

from fineline.data_contracts.curation import DuplicateCluster, SplitAssignment
from fineline.data_contracts.enforcement import enforce
from fineline.data_contracts.records import Record


def broken_rules(**values):
    result = enforce(Record, records(record(**values)))
    assert result.good.height + result.bad.height == 1
    return result.bad["rule"].to_list()


def test_a_good_record_passes():
    assert broken_rules() == []


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"text": "   "}, "completion_has_text"),
        ({"prompt": []}, "prompt_has_text_unless_kind_is_text"),
        ({"kind": "preference"}, "preference_has_rejected_text"),
        ({"rejected": [{"role": "assistant", "content": "no"}]}, "preference_has_rejected_text"),
        (
            {
                "kind": "preference",
                "completion": [{"role": "assistant", "content": "same"}],
                "rejected": [{"role": "assistant", "content": "same"}],
            },
            "chosen_differs_from_rejected",
        ),
        ({"record_id": "short"}, "record_id|regex"),
        ({"source": ""}, "source|min_length"),
    ],
)
def test_a_bad_record_is_set_apart_with_the_name_of_its_rule(values, rule):
    assert broken_rules(**values) == [rule]


def test_all_broken_rules_are_named_in_the_detail():
    bad = enforce(Record, records(record(text=" ", prompt=[]))).bad
    assert bad["detail"].to_list() == ["breaks completion_has_text, prompt_has_text_unless_kind_is_text"]


def test_a_plain_text_needs_no_prompt():
    assert broken_rules(kind="text", prompt=[]) == []


def test_a_table_without_a_column_of_the_contract_is_refused():
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        enforce(Record, records(record()).drop("licence"))


def test_a_group_in_two_splits_breaks_its_contract():
    ids = ["a" * 32, "b" * 32]
    table = pl.DataFrame(
        {"record_id": ids, "batch": "b", "source": "s", "split": ["train", "test"], "split_group": "g", "stratum": "s"}
    )
    assert enforce(SplitAssignment, table).bad["rule"].to_list() == ["a_group_stays_in_one_split"] * 2


def test_a_cluster_with_two_representatives_breaks_its_contract():
    ids = ["a" * 32, "b" * 32]
    table = pl.DataFrame(
        {"record_id": ids, "batch": "b", "source": "s", "cluster": ids[0], "family": ids[0], "representative": True}
    ).with_columns(reason=pl.lit(None, pl.String), similarity=pl.lit(None, pl.Float64))
    assert enforce(DuplicateCluster, table).bad["rule"].to_list() == ["a_cluster_has_one_representative"] * 2
