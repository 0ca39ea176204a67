import pytest

from fineline.resources.data.pii.names import NameFilter
from fineline.resources.data.pii.spans import Span


def names(text: str, found: str, proper: bool = True) -> list[str]:
    """What is left when the model took ``found`` for a person."""
    start = text.index(found)
    name_filter = NameFilter(text, lambda offset: proper)
    return [text[span.start : span.end] for span in name_filter.names(Span(start, start + len(found), "PERSON", 0.85))]


@pytest.mark.parametrize(
    "name",
    [
        "Jane Doe",
        "J. R. R. Tolkien",
        "Guido van Rossum",
        "Sean O'Brien",
        "Anne-Marie Łukasiewicz",
        "Andy MacKinlay",
        "Ruby Swift",
        "JOHN SMITH",
        "Juan del Potro",
    ],
)
def test_a_name_is_kept_whole(name: str) -> None:
    assert names(f"We met {name} there.", name) == [name]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Use ThreadPoolExecutor for that.", "ThreadPoolExecutor"),
        ("Call Mock() first.", "Mock"),
        ("It returns queue.Queue there.", "queue.Queue"),
        ("set aws_KEY here", "aws_KEY"),
        ("expands $HOME here", "HOME"),
        ("thanks to @Someone here", "Someone"),
        ("If it is False, stop.", "False"),
        ("It may raise TypeError then.", "TypeError"),
        ("returns NaN here", "NaN"),
        ("an instance of str here", "str"),
        ("Install Ruff with `pip install ruff`.", "Ruff"),
        ("The `Weasel` project", "Weasel"),
        ("See https://example.org/Anna for more", "Anna"),
        (">>> print(Anna, 1)", "Anna"),
        ("written in Python here", "Python"),
        ("I am <PERSON> there", "PERSON"),
    ],
)
def test_what_code_and_technology_use_as_a_name_is_none(text: str, found: str) -> None:
    assert names(text, found) == []


def test_an_address_does_not_make_a_name_an_ordinary_word() -> None:
    assert names("please ask Jane (jane@example.org)", "Jane") == ["Jane"]


def test_a_full_name_in_code_is_kept() -> None:
    assert names('```\nauthor = "Jane Doe"\n```', "Jane Doe") == ["Jane Doe"]


def test_what_the_tagger_takes_for_another_word_is_no_name() -> None:
    assert names("Convert the file.", "Convert", proper=False) == []


def test_an_identifier_beside_a_name_is_left_out() -> None:
    assert names("Raise EOFError, says Jane Doe there", "EOFError, says Jane Doe") == ["Jane Doe"]


def test_a_name_takes_in_the_proper_nouns_beside_it() -> None:
    assert names("by Dominic Davis Foster, who", "Davis") == ["Dominic Davis Foster"]
