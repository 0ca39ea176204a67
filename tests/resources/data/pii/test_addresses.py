import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineline.resources.data.pii.addresses import addresses
from fineline.resources.data.pii.segments import SEGMENT_CHARACTERS


def found(text: str) -> list[str]:
    return [text[span.start : span.end] for span in addresses(text)]


@pytest.mark.parametrize(
    "address",
    [
        "221B Baker Street",
        "1600 Pennsylvania Ave NW",
        "350 5th Avenue",
        "742 Evergreen Terrace, Springfield, IL 62704",
        "10 Downing Street, London SW1A 2AA",
        "24 Sussex Drive, Ottawa, ON K1M 1M4",
        "12 rue de la Paix, 75002 Paris",
        "5 bis avenue Anatole France",
        "Calle de Alcalá 45",
        "Via Giuseppe Garibaldi, 12",
        "Rua João Pessoa 163",
        "Friedrichstraße 43",
        "Unter den Linden Allee 7",
        "Prinsengracht 263",
        "Drottninggatan 71",
        "Karl Johans gate 14",
        "ul. Marszałkowska 12",
        "P.O. Box 1184",
        "Postfach 71",
        "PSC 3, Box 4120",
    ],
)
def test_an_address_is_found_as_its_country_writes_it(address: str) -> None:
    assert any(part in address and len(part) > len(address) / 2 for part in found(f"We met at {address}."))


def test_a_unit_belongs_to_its_address() -> None:
    assert found("Send it to 12 Elm Road, Apt. 4B, please") == ["12 Elm Road, Apt. 4B", "Apt. 4B"]


@pytest.mark.parametrize("text", ["My zip code is 90210", "postal code: SW1A 2AA"])
def test_a_postal_code_that_is_called_one_is_found(text: str) -> None:
    assert len(found(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "In Spring 2008 he left.",
        "During 1920 they met.",
        "In 1980, Mount St. Helens erupted.",
        "Version 12 Main loop",
        "on 4 July Street parties were held",
        "the top 20 songs for Weekly",
        "5 people walked down the road",
        "issue #15 is closed",
        "Route 66 and Highway 61",
        "x = 12\nreturn Drive(3)",
    ],
)
def test_other_numbers_beside_words_are_no_address(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        f"I live at 12 Main St, {'A' * 40} and I like it",
        f"12 Main St{' ' * SEGMENT_CHARACTERS}",
        f"12 Main St\n{' ' * SEGMENT_CHARACTERS}",
        f"12 rue {'dele' * (SEGMENT_CHARACTERS // 4)}",
        f"12 {'A-' * (SEGMENT_CHARACTERS // 2)}",
        f"corner of {'A' * SEGMENT_CHARACTERS}",
    ],
)
def test_a_text_that_is_nearly_an_address_costs_little(text: str) -> None:
    started = time.process_time()
    found(text)
    assert time.process_time() - started < 10


@given(st.text(alphabet="aB 1,.\n#St", max_size=200))
def test_spans_lie_within_the_text(text: str) -> None:
    assert all(0 <= span.start < span.end <= len(text) for span in addresses(text))
