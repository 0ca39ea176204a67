from fineline.data_contracts import catalog
from fineline.data_contracts.columns import DESCRIPTIONS


def named():
    """The columns of all contracts in the catalogue."""
    return {column for each in catalog.ASSETS if each.contract for column in each.schema.column_names()}


def test_every_column_of_every_contract_is_described():
    assert named() - DESCRIPTIONS.keys() == set()


def test_no_description_is_of_a_column_that_no_contract_has():
    assert DESCRIPTIONS.keys() - named() == set()
