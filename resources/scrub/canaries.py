"""Canaries: made-up personal data that is planted, scrubbed and counted, to measure what survives."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from fineline.resources.recipe_data import Scrub
from fineline.resources.scrub import ScrubError
from fineline.resources.scrub.canary_values import CONTEXTS, GENERATORS, fakers
from fineline.resources.scrub.scrubber import Scrubber

_SEED = 20_240_229


@dataclass(frozen=True)
class Canary:
    """A made-up value of an entity type, and the text in which it stands."""

    entity: str
    value: str
    text: str


@dataclass(frozen=True)
class CanaryReport:
    """Residual recall of a scrubber.

    ``by_entity`` has the columns entity, planted, replaced (counts) and recall, sorted by entity. ``recall``
    is the share of all planted values that were replaced. ``survivors`` names the entity types of which a
    value came through, never the value.
    """

    by_entity: pl.DataFrame
    recall: float
    survivors: list[str]


def plant(entities: Sequence[str], per_entity: int, seed: int) -> list[Canary]:
    """Make ``per_entity`` values of each entity type, each in a sentence; the same seed gives the same ones.

    Raises ScrubError for an entity type of which no values can be made.
    """
    if unknown := sorted(set(entities) - set(GENERATORS)):
        raise ScrubError(
            f"No canaries for entity type {', '.join(unknown)}, so its residual recall cannot be measured. "
            f"Take it out of the recipe's scrub.entities; there are canaries for {', '.join(sorted(GENERATORS))}"
        )
    canaries: list[Canary] = []
    for entity in sorted(set(entities)):
        # A generator for each type: adding a type to a recipe leaves the canaries of the others as they are.
        rng = random.Random(f"{seed} {entity}")
        countries = fakers(entity, rng)
        contexts = itertools.cycle(CONTEXTS[entity])
        for context in itertools.islice(contexts, per_entity):
            value = GENERATORS[entity](rng, rng.choice(countries))
            canaries.append(Canary(entity, value, context.format(value)))
    return canaries


def survives(canary: Canary, cleaned: str) -> bool:
    """Whether the value, or of a person any part of the name, is still in the text."""
    if canary.entity == "PERSON":
        return any(len(part.strip(".")) > 2 and part in cleaned for part in canary.value.split())
    return canary.value in cleaned


def measure(scrubber: Scrubber, section: Scrub) -> CanaryReport:
    """Plant canaries of the section's entity types, send them through the scrubber and count.

    Whatever placeholder a value was replaced by counts: a social security number may look like a telephone
    number. Raises ScrubError for an entity type without canaries.
    """
    canaries = plant(section.entities, section.canaries_per_entity, _SEED)
    cleaned = scrubber.clean([canary.text for canary in canaries])
    counted = (
        pl.DataFrame(
            {
                "entity": [canary.entity for canary in canaries],
                "replaced": [not survives(canary, text) for canary, text in zip(canaries, cleaned, strict=True)],
            }
        )
        .group_by("entity")
        .agg(planted=pl.len(), replaced=pl.col("replaced").sum())
        .with_columns(recall=pl.col("replaced") / pl.col("planted"))
        .sort("entity")
    )
    return CanaryReport(
        by_entity=counted,
        recall=sum(counted["replaced"]) / len(canaries),
        survivors=counted.filter(pl.col("replaced") < pl.col("planted"))["entity"].to_list(),
    )
