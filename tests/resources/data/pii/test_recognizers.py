import pytest
from presidio_analyzer import EntityRecognizer

from fineline.resources.data.pii.recognizers import (
    card_recognizer,
    person_cue_recognizer,
    phone_shape_recognizer,
)


def found(recognizer: EntityRecognizer, text: str) -> list[str]:
    results = recognizer.analyze(text, recognizer.supported_entities, None)
    return [text[result.start : result.end] for result in results]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("we asked Dr. Adaeze Okafor about it", "Adaeze Okafor"),
        ("Mrs Nguyen left", "Nguyen"),
        ("Hello, my name is Olle Nyström and", "Olle Nyström"),
        ("It was written by Vritti S. Memon in 2019", "Vritti S. Memon"),
        ("by Wridesh van der Kapur <w@kapur.in>", "Wridesh van der Kapur"),
        ("By Greg Ward (greg@ward.org)", "Greg Ward"),
    ],
)
def test_a_name_is_seen_by_the_words_around_it(text: str, name: str) -> None:
    assert found(person_cue_recognizer(), text) == [name]


@pytest.mark.parametrize(
    "text", ["it is written by hand", "Created by Python", "my name is not given", "a list <of items>"]
)
def test_words_that_announce_no_name_announce_none(text: str) -> None:
    assert found(person_cue_recognizer(), text) == []


@pytest.mark.parametrize(
    "number", ["(841) 258-6834", "841-258-6834x4978", "+1 841 258 6834", "001-748-088-2851", "+49 3662 585178"]
)
def test_what_is_written_as_a_telephone_number_is_one(number: str) -> None:
    assert found(phone_shape_recognizer(), f"call {number}, please") == [number]


@pytest.mark.parametrize("text", ["10-20-30", "a 1234567890 b", "1-2-3456", "2024-01-15", "x+1 23"])
def test_other_numbers_have_no_telephone_shape(text: str) -> None:
    assert found(phone_shape_recognizer(), text) == []


@pytest.mark.parametrize(
    "number", ["4111 1111 1111 1111", "2223 0031 2200 3222", "4850695069920575593", "213136494205557"]
)
def test_a_card_number_of_any_issuer_is_seen_by_its_check_digit(number: str) -> None:
    assert found(card_recognizer(), f"charge {number} today") == [number]
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert found(card_recognizer(), f"charge {wrong} today") == []
