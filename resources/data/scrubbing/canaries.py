"""Canaries: invented personal data that is planted in records, scrubbed and counted, to measure recall."""

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from fineline.data_contracts.messages import MESSAGE_COLUMNS
from fineline.data_contracts.records import Record
from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.data.pii.errors import ScrubError
from fineline.resources.data.scrubbing.canary_forms import dressed, forms_of
from fineline.resources.data.scrubbing.canary_values import GENERATORS, fakers
from fineline.resources.data.scrubbing.documents import JSON_COLUMNS
from fineline.resources.data.scrubbing.scrubber import Scrubber

_SEED = 20_240_229
_PLACES = ("completion", "prompt", "metadata", "rejected", "tools")
_LONGEST_HOST = 4_000


@dataclass(frozen=True)
class Canary:
    """An invented value of an entity type as it is written, and the text before and after it."""

    entity: str
    form: str
    value: str
    before: str
    after: str

    @property
    def text(self) -> str:
        """The value in its text."""
        return self.before + self.value + self.after


@dataclass(frozen=True)
class CanaryReport:
    """The recall of a scrubber.

    ``by_entity`` and ``by_form`` have the columns entity or form, planted, replaced (counts) and recall;
    ``recall`` is the share of all planted values that were replaced. ``survivors`` names the entity types that have
    a value that was not replaced, never the value; ``worst`` is the entity type with the lowest recall.
    """

    by_entity: pl.DataFrame
    by_form: pl.DataFrame
    recall: float
    survivors: list[str]
    worst: str


def plant(entities: Sequence[str], per_entity: int, seed: int = _SEED) -> list[Canary]:
    """Invent ``per_entity`` values of each entity type, in each surface form in turn; equal seeds, equal canaries.

    Raises ScrubError for an entity type of which no values can be invented.
    """
    if unknown := sorted(set(entities) - set(GENERATORS)):
        raise ScrubError(
            f"No canaries for entity type {', '.join(unknown)}, so its recall cannot be measured. "
            f"Take it out of the recipe's scrub.entities; there are canaries for {', '.join(sorted(GENERATORS))}"
        )
    canaries: list[Canary] = []
    for entity in sorted(set(entities)):
        # A generator for each type: adding a type to a recipe leaves the canaries of the others as they are.
        rng = random.Random(f"{seed} {entity}")
        countries = fakers(entity, rng)
        for form in itertools.islice(itertools.cycle(forms_of(entity)), per_entity):
            before, value, after = dressed(entity, form, GENERATORS[entity](rng, rng.choice(countries)), rng)
            canaries.append(Canary(entity, form, value, before, after))
    return canaries


def survives(canary: Canary, cleaned: str, around: str = "") -> bool:
    """Whether a part of the value is still in a text.

    A part is a word of a name, a line of a key, a piece of an address between commas, and more than half of any
    other value. Parts that are also in ``around``, the text without the value, do not count.
    """
    return any(cleaned.count(piece) > around.count(piece) for piece in _pieces(canary))


def _pieces(canary: Canary) -> Iterator[str]:
    value = canary.value
    if canary.entity == "PERSON":
        yield from (part for part in value.split() if len(part.strip(".")) > 2)
    elif "\n" in value:
        yield from (line for line in value.split("\n") if not line.startswith("-----"))
    elif canary.entity == "STREET_ADDRESS" and ", " in value:
        yield from value.split(", ")
    else:
        length = len(value) // 2 + 1
        yield from (value[start : start + length] for start in range(len(value) - length + 1))


@dataclass(frozen=True)
class Planted:
    """Canaries and the records that hold them, one each: where in its record, and the text there without its value."""

    canaries: Sequence[Canary]
    places: Sequence[str]
    around: Sequence[str]
    records: pl.DataFrame


def plant_in_records(section: Scrub, hosts: pl.DataFrame | None = None) -> Planted:
    """Plant canaries of the section's entity types in records with Record's columns.

    They go into prompts, completions, rejected answers, tools and metadata in turn; every other one that goes
    into a message is put into the text of one of ``hosts`` (raw records), where there are any. Equal arguments give
    equal records. Raises ScrubError for an entity type without canaries.
    """
    canaries = plant(section.entities, section.canaries_per_entity)
    texts = _host_texts(hosts)
    rng = random.Random(_SEED)
    places = list(itertools.islice(itertools.cycle(_PLACES), len(canaries)))
    arounds: list[str] = []
    rows: list[dict[str, Any]] = []
    for number, (canary, place) in enumerate(zip(canaries, places, strict=True)):
        before = after = ""
        if texts and place in MESSAGE_COLUMNS and number % 2:
            before, after = _opened(rng.choice(texts), rng)
        arounds.append(before + canary.before + "\0" + canary.after + after)
        rows.append(_row(number, place, before + canary.text + after))
    return Planted(canaries, places, arounds, pl.DataFrame(rows, schema=Record.create_empty().schema))


def replaced(scrubber: Scrubber, planted: Planted, first: int = 0, number: int | None = None) -> list[bool]:
    """Whether each canary from the ``first`` on was replaced when its record was scrubbed, by whatever placeholder.

    A social security number may look like a telephone number. The scrubber writes placeholders here, also where the
    recipe asks for pseudonyms, so that an invented name is never taken for a planted one.
    """
    cleaned = scrubber.with_placeholders().scrub(planted.records.slice(first, number)).records
    checked = zip(planted.canaries[first:], planted.places[first:], planted.around[first:], strict=True)
    return [
        not survives(canary, _text(row, place), around)
        for row, (canary, place, around) in zip(cleaned.iter_rows(named=True), checked, strict=False)
    ]


def measure(scrubber: Scrubber, section: Scrub, hosts: pl.DataFrame | None = None) -> CanaryReport:
    """Plant canaries in records, scrub the records and count. See :func:`plant_in_records`."""
    planted = plant_in_records(section, hosts)
    return count(planted.canaries, replaced(scrubber, planted))


def count(canaries: Sequence[Canary], outcomes: Sequence[bool]) -> CanaryReport:
    """The report on canaries, given whether each was replaced."""
    counted = pl.DataFrame(
        [(canary.entity, canary.form, outcome) for canary, outcome in zip(canaries, outcomes, strict=True)],
        schema={"entity": pl.String, "form": pl.String, "replaced": pl.Boolean},
        orient="row",
    )
    by_entity = _recall(counted, "entity").sort("entity")
    return CanaryReport(
        by_entity=by_entity,
        by_form=_recall(counted, "form"),
        recall=sum(counted["replaced"]) / len(canaries),
        survivors=by_entity.filter(pl.col("replaced") < pl.col("planted"))["entity"].to_list(),
        worst=by_entity.sort("recall", maintain_order=True)["entity"][0],
    )


def _recall(counted: pl.DataFrame, by: str) -> pl.DataFrame:
    counts = counted.group_by(by, maintain_order=True).agg(planted=pl.len(), replaced=pl.col("replaced").sum())
    return counts.with_columns(recall=pl.col("replaced") / pl.col("planted"))


def _host_texts(hosts: pl.DataFrame | None) -> list[str]:
    if hosts is None:
        return []
    contents = [message["content"] for row in hosts["completion"].to_list() for message in row]
    return [content for content in contents if content.strip() and len(content) <= _LONGEST_HOST]


def _opened(text: str, rng: random.Random) -> tuple[str, str]:
    """A text cut in two at the end of one of its lines."""
    lines = text.splitlines()
    row = rng.randint(0, len(lines))
    return "".join(f"{line}\n" for line in lines[:row]), "".join(f"\n{line}" for line in lines[row:])


def _row(number: int, place: str, text: str) -> dict[str, Any]:
    document = json.dumps({"note": text}, ensure_ascii=False)
    return {
        "record_id": f"{number:032x}",
        "source": "canaries",
        "batch": "canaries",
        "kind": "preference",
        "prompt": [{"role": "user", "content": text if place == "prompt" else "?"}],
        "completion": [{"role": "assistant", "content": text if place == "completion" else "?"}],
        "rejected": [{"role": "assistant", "content": text if place == "rejected" else "!"}],
        "tools": document if place == "tools" else None,
        "label": None,
        "group": None,
        "licence": "none",
        "metadata": document if place == "metadata" else "{}",
    }


def _text(row: dict[str, Any], place: str) -> str:
    if place in JSON_COLUMNS:
        return str(json.loads(row[place])["note"])
    return str(row[place][0]["content"])
