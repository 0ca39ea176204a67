from collections.abc import Iterator

import pytest

from fineline.resources.recipe_data import Scrub
from fineline.resources.scrub import ScrubError
from fineline.resources.scrub.canaries import Canary, measure, plant, survives
from fineline.resources.scrub.canary_values import CONTEXTS, GENERATORS
from fineline.resources.scrub.scrubber import Scrubber


@pytest.fixture(scope="module")
def scrubber() -> Iterator[Scrubber]:
    with Scrubber(Scrub(workers=1)) as scrubber:
        yield scrubber


def test_the_default_recipe_replaces_nearly_all_canaries(scrubber: Scrubber) -> None:
    section = Scrub(workers=1, canaries_per_entity=24)
    report = measure(scrubber, section)
    assert report.by_entity["entity"].to_list() == sorted(section.entities)
    assert report.by_entity["planted"].to_list() == [24] * 7
    assert report.recall >= 0.9
    assert min(report.by_entity["recall"]) >= 0.75


def test_a_scrubber_that_misses_an_entity_type_is_found_out() -> None:
    section = Scrub(workers=1)
    blind = Scrub(workers=1, entities=[entity for entity in section.entities if entity != "EMAIL_ADDRESS"])
    report = measure(Scrubber(blind), section)
    recall = dict(report.by_entity.select("entity", "recall").iter_rows())
    assert recall["EMAIL_ADDRESS"] <= 0.1
    assert recall["CREDIT_CARD"] == 1.0
    assert "EMAIL_ADDRESS" in report.survivors
    assert report.recall < 0.9


def test_a_measurement_is_the_same_each_time(scrubber: Scrubber) -> None:
    section = Scrub(workers=1, canaries_per_entity=4)
    first, second = measure(scrubber, section), measure(scrubber, section)
    assert first.by_entity.equals(second.by_entity)
    assert first.recall == second.recall


def test_the_same_seed_plants_the_same_canaries_and_another_does_not() -> None:
    assert plant(["PERSON", "US_SSN"], 5, seed=1) == plant(["US_SSN", "PERSON"], 5, seed=1)
    assert plant(["PERSON"], 5, seed=1) != plant(["PERSON"], 5, seed=2)


@pytest.mark.parametrize("entity", sorted(GENERATORS))
def test_a_canary_stands_in_its_text(entity: str) -> None:
    canaries = plant([entity], 2 * len(CONTEXTS[entity]), seed=3)
    assert all(canary.entity == entity and canary.value in canary.text for canary in canaries)
    assert len({canary.value for canary in canaries}) > len(CONTEXTS[entity]) / 2


def test_an_entity_type_without_canaries_is_refused_with_those_that_have() -> None:
    with pytest.raises(ScrubError, match=r"US_PASSPORT.*canaries for .*EMAIL_ADDRESS.*PERSON"):
        plant(["PERSON", "US_PASSPORT"], 3, seed=0)


@pytest.mark.parametrize("left", ["Ask <PERSON> Holm.", "Ask Greta <PERSON>."])
def test_half_a_name_survives_as_much_as_a_whole_one(left: str) -> None:
    assert survives(Canary("PERSON", "Greta Holm", "Ask Greta Holm."), left)


def test_a_value_that_another_type_replaced_does_not_survive() -> None:
    assert not survives(Canary("US_SSN", "219-09-9999", "SSN 219-09-9999."), "SSN <PHONE_NUMBER>.")
