import polars as pl
import pytest
from support.records import record, records

from fineline.assets.execution.rules import described, rule_results
from fineline.data_contracts import catalog
from fineline.data_contracts.enforcement import enforce, rules_broken
from fineline.data_contracts.records import Record

GOOD = records(record("It is green."))


def failed(frame):
    """The checks of the contract that fail for a table, with the rows that break each."""
    bad = enforce(Record, frame).bad
    results = rule_results(Record, rules_broken(bad.select("rule", "detail")))
    return {each.check_name: each.metadata["rows"].value for each in results if not each.passed}


def test_a_table_that_fits_fails_none():
    assert failed(GOOD) == {}


@pytest.mark.parametrize(
    ("check", "table"),
    [
        ("columns", GOOD.with_columns(licence=pl.lit(None, pl.String))),
        ("primary_key", pl.concat([GOOD, GOOD])),
        ("completion_has_text", GOOD.with_columns(completion=pl.col("completion").list.head(0))),
    ],
)
def test_each_kind_of_rule_that_is_broken_fails_its_own_check(check, table):
    assert failed(table) == {check: table.height}


def test_a_row_that_breaks_two_rules_fails_both():
    both = GOOD.with_columns(licence=pl.lit(None, pl.String), completion=pl.col("completion").list.head(0))
    assert failed(both) == {"columns": 1, "completion_has_text": 1}


@pytest.mark.parametrize("asset", [each for each in catalog.ASSETS if each.contract], ids=lambda each: each.name)
def test_every_check_of_a_contract_is_described_in_words(asset):
    assert all(" " in text for text in described(asset.schema).values())
