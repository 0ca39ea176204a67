from collections.abc import Iterator

import polars as pl
import pytest
from support.records import record, records

from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.data.pii.addresses import ENTITY as ADDRESS
from fineline.resources.data.pii.analyzer import LoadedSpacyEngine, build_analyzer, load_spacy
from fineline.resources.data.pii.errors import ScrubError
from fineline.resources.data.scrubbing import canaries
from fineline.resources.data.scrubbing.canaries import Canary, measure, plant, planted_types, survives
from fineline.resources.data.scrubbing.canary_forms import forms_of
from fineline.resources.data.scrubbing.canary_values import GENERATORS
from fineline.resources.data.scrubbing.scrubber import Scrubber


@pytest.fixture(scope="module")
def scrubber() -> Iterator[Scrubber]:
    with Scrubber(Scrub(workers=1)) as scrubber:
        yield scrubber


def test_the_default_recipe_replaces_nearly_all_canaries(scrubber: Scrubber) -> None:
    section = Scrub(workers=1, canaries_per_entity=24)
    report = measure(scrubber, section)
    assert report.by_entity["entity"].to_list() == sorted(section.entities)
    assert set(report.by_entity["planted"]) == {24}
    assert report.by_form["planted"].sum() == 24 * len(section.entities)
    assert {"upper case", "JSON", "table row", "key block"} <= set(report.by_form["form"])
    assert report.recall >= 0.85
    assert report.worst == "PERSON"
    assert min(report.by_entity["recall"]) >= 0.5


def test_a_scrubber_that_misses_an_entity_type_is_found_out() -> None:
    section = Scrub(workers=1)
    blind = Scrub(workers=1, entities=[entity for entity in section.entities if entity != "EMAIL_ADDRESS"])
    report = measure(Scrubber(blind), section)
    recall = dict(report.by_entity.select("entity", "recall").iter_rows())
    assert recall["EMAIL_ADDRESS"] <= 0.1
    assert recall["CREDIT_CARD"] >= 0.9
    assert "EMAIL_ADDRESS" in report.survivors
    assert report.recall < 0.9


def test_a_measurement_is_the_same_each_time(scrubber: Scrubber) -> None:
    section = Scrub(workers=1, canaries_per_entity=4)
    first, second = measure(scrubber, section), measure(scrubber, section)
    assert first.by_entity.equals(second.by_entity)
    assert first.recall == second.recall


def test_the_same_seed_plants_the_same_canaries_and_another_does_not(monkeypatch) -> None:
    planted = plant("PERSON", 5)
    assert plant("PERSON", 5) == planted
    monkeypatch.setattr(canaries, "_SEED", 2)
    assert plant("PERSON", 5) != planted


@pytest.mark.parametrize("entity", sorted(GENERATORS))
def test_values_of_a_type_differ_and_stand_in_every_form_of_it(entity: str) -> None:
    planted = plant(entity, 3 * len(forms_of(entity)))
    assert [canary.form for canary in planted[: len(forms_of(entity))]] == forms_of(entity)
    assert len({canary.value for canary in planted}) > len(planted) / 3
    for canary in planted:
        assert canary.entity == entity
        assert survives(canary, canary.text)


def test_every_type_that_the_analyzer_supports_has_canaries() -> None:
    nlp_engine = LoadedSpacyEngine(load_spacy(Scrub().spacy_model))
    supported = {ADDRESS, *build_analyzer(Scrub(), nlp_engine, own=[ADDRESS]).registry.get_supported_entities()}
    assert set(Scrub().entities) <= supported <= set(GENERATORS)


def test_canaries_are_put_into_the_text_of_records_and_into_every_part_of_them(scrubber, monkeypatch) -> None:
    seen: list[pl.DataFrame] = []
    scrub = Scrubber.scrub
    monkeypatch.setattr(Scrubber, "scrub", lambda self, frame, **how: seen.append(frame) or scrub(self, frame, **how))
    host = "A first line.\nA second line of the host."
    section = Scrub(workers=1, canaries_per_entity=10, entities=["EMAIL_ADDRESS", "US_SSN"])
    report = measure(scrubber, section, records(record(host)))
    frame = pl.concat(seen)
    planted = [canary for entity in section.entities for canary in plant(entity, 10)]
    assert frame["record_id"].to_list() == [f"{number:032x}" for number in range(20)]
    for place in ("prompt", "completion", "rejected", "tools", "metadata"):
        column = [str(value) for value in frame[place].to_list()]
        assert sum(canary.value in text for canary, text in zip(planted, column, strict=True)) >= 3
    assert sum("second line of the host" in str(row) for row in frame.rows()) >= 4
    assert report.by_entity["planted"].to_list() == [10, 10]


def test_a_pseudonym_is_never_taken_for_a_canary_that_survived(scrubber: Scrubber) -> None:
    section = Scrub(workers=1, canaries_per_entity=15, entities=["PERSON"], replacement={"PERSON": "pseudonym"})
    plain = section.model_copy(update={"replacement": {}})
    with Scrubber(section) as first, Scrubber(plain) as second:
        assert measure(first, section).by_form.equals(measure(second, plain).by_form)


def test_what_stood_around_a_value_is_not_taken_for_it() -> None:
    canary = Canary("PERSON", "lower case", "will young", "that ", " will do")
    assert not survives(canary, "that <PERSON> will do")
    assert survives(canary, "that will <PERSON> will do")


@pytest.mark.parametrize(
    ("entity", "value", "left"),
    [
        ("US_SSN", "219-09-9999", "<PHONE_NUMBER>09-9999"),
        ("EMAIL_ADDRESS", "greta.holm@x.org", "greta.holm<EMAIL_ADDRESS>"),
        ("SECRET", "-----BEGIN KEY-----\nabcdefghijkl\nmnop\n-----END KEY-----", "<SECRET>\nmnop"),
        ("STREET_ADDRESS", "12 Elm Road, Springfield", "12 Elm Road, <LOCATION>"),
    ],
)
def test_a_part_that_is_left_of_a_value_survives(entity: str, value: str, left: str) -> None:
    assert survives(Canary(entity, "sentence", value, "", ""), left)


def test_an_entity_type_without_canaries_is_refused_with_those_that_have() -> None:
    with pytest.raises(ScrubError, match=r"AU_TFN.*canaries for .*EMAIL_ADDRESS.*PERSON"):
        planted_types(Scrub(entities=["PERSON", "AU_TFN"]))


@pytest.mark.parametrize("left", ["Ask <PERSON> Holm.", "Ask Greta <PERSON>."])
def test_half_a_name_survives_as_much_as_a_whole_one(left: str) -> None:
    assert survives(Canary("PERSON", "sentence", "Greta Holm", "Ask ", "."), left)


def test_a_value_that_another_type_replaced_does_not_survive() -> None:
    assert not survives(Canary("US_SSN", "sentence", "219-09-9999", "SSN ", "."), "SSN <PHONE_NUMBER>.")
