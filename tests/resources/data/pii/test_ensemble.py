import pytest

from fineline.resources.data.pii.ensemble import Ensemble
from fineline.resources.data.pii.rampart import Token
from fineline.resources.data.pii.spans import Span


def ensemble(text: str, **words: tuple[str, float]) -> Ensemble:
    """Words of a text with their label and its probability; all other text has none."""
    tokens = []
    for word, (label, score) in words.items():
        start = text.index(word.strip("_"))
        name = score if label in ("GIVEN_NAME", "SURNAME") else 0.0
        tokens.append(Token(start, start + len(word.strip("_")), label, score, name))
    return Ensemble(text, sorted(tokens))


def found(text: str, spans: list[Span]) -> list[tuple[str, str]]:
    return [(span.entity, text[span.start : span.end]) for span in spans]


def test_words_of_a_name_are_one_span() -> None:
    text = "we met Kang Young Joong there"
    seen = ensemble(text, Kang=("GIVEN_NAME", 0.9), Young=("SURNAME", 0.4), Joong=("SURNAME", 0.6))
    assert found(text, list(seen.names())) == [("PERSON", "Kang Young Joong")]


def test_a_name_of_which_no_word_is_sure_is_none() -> None:
    assert list(ensemble("we met Kang there", Kang=("GIVEN_NAME", 0.6)).names()) == []


def test_names_beside_each_other_are_two_where_a_comma_parts_them() -> None:
    text = "Darin, Michelle"
    seen = ensemble(text, Darin=("GIVEN_NAME", 0.9), Michelle=("GIVEN_NAME", 0.9))
    assert found(text, list(seen.names())) == [("PERSON", "Darin"), ("PERSON", "Michelle")]


@pytest.mark.parametrize(("probability", "out"), [(0.01, True), (0.2, False)])
def test_a_person_is_ruled_out_where_no_word_may_be_a_name(probability: float, out: bool) -> None:
    seen = ensemble("Convert it", Convert=("SURNAME", probability))
    assert seen.rules_out(Span(0, 7, "PERSON", 0.85)) is out


def test_parts_of_an_address_are_one_address_with_its_place() -> None:
    text = "sent to 71 Nurme, Suite 485, Grimstad last night"
    seen = ensemble(
        text,
        _71_=("BUILDING_NUMBER", 0.9),
        Nurme=("STREET_NAME", 0.9),
        Suite=("SECONDARY_ADDRESS", 0.9),
        _485_=("SECONDARY_ADDRESS", 0.9),
        Grimstad=("CITY", 0.9),
    )
    assert found(text, list(seen.addresses([]))) == [("STREET_ADDRESS", "71 Nurme, Suite 485, Grimstad")]


def test_a_place_alone_is_a_location_and_a_number_alone_is_nothing() -> None:
    text = "He has 71 friends in Grimstad"
    seen = ensemble(text, _71_=("BUILDING_NUMBER", 0.9), Grimstad=("CITY", 0.9))
    assert found(text, list(seen.addresses([]))) == [("LOCATION", "Grimstad")]


def test_an_address_that_a_pattern_found_grows_by_the_number_beside_it() -> None:
    text = "lives at 18, 12 Elm Road now"
    seen = ensemble(text, _18_=("BUILDING_NUMBER", 0.9))
    assert found(text, list(seen.addresses([Span(13, 24, "STREET_ADDRESS", 0.8)]))) == [
        ("STREET_ADDRESS", "18, 12 Elm Road")
    ]
