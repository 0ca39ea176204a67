"""Canaries: invented personal data that is planted in records, scrubbed and counted, to measure recall."""

import itertools
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import polars as pl

from fineline.data_contracts.messages import MESSAGE_COLUMNS
from fineline.data_contracts.records import Record
from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.data.pii.errors import ScrubError
from fineline.resources.data.scrubbing.canary_forms import dressed, forms_of
from fineline.resources.data.scrubbing.canary_values import GENERATORS, invent
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


class Outcome(NamedTuple):
    """The entity type and the surface form of a canary, and whether it was replaced."""

    entity: str
    form: str
    replaced: bool


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


def planted_types(section: Scrub) -> list[str]:
    """The section's entity types, sorted. Raises ScrubError for one of which no values can be invented."""
    if unknown := sorted(set(section.entities) - set(GENERATORS)):
        raise ScrubError(
            f"No canaries for entity type {', '.join(unknown)}, so its recall cannot be measured. "
            f"Take it out of the recipe's scrub.entities; there are canaries for {', '.join(sorted(GENERATORS))}"
        )
    return sorted(set(section.entities))


def plant(entity: str, number: int) -> list[Canary]:
    """Invent so many values of an entity type, in each surface form in turn; the same ones each time."""
    # A generator for each type: adding a type to a recipe leaves the canaries of the others as they are.
    rng = random.Random(f"{_SEED} {entity}")
    values = invent(entity, rng)
    canaries: list[Canary] = []
    for form in itertools.islice(itertools.cycle(forms_of(entity)), number):
        before, value, after = dressed(entity, form, next(values), rng)
        canaries.append(Canary(entity, form, value, before, after))
    return canaries


def survives(canary: Canary, cleaned: str) -> bool:
    """Whether a part of the value is still in its text, once that is scrubbed.

    A part is a word of a name, a line of a key, a piece of an address between commas, and more than half of any
    other value. Parts that are also in the text around the value do not count.
    """
    around = f"{canary.before}\0{canary.after}"
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


def measure(scrubber: Scrubber, section: Scrub, hosts: pl.DataFrame | None = None) -> CanaryReport:
    """Plant canaries of all entity types, scrub and count them, see :func:`scrub_canaries`.

    Raises ScrubError for an entity type without canaries.
    """
    return count(
        outcome for entity in planted_types(section) for outcome in scrub_canaries(scrubber, section, entity, hosts)
    )


def scrub_canaries(scrubber: Scrubber, section: Scrub, entity: str, hosts: pl.DataFrame | None = None) -> list[Outcome]:
    """Whether each canary of an entity type is replaced when its record is scrubbed, by whatever placeholder.

    A social security number may look like a telephone number. The canaries go into completions, prompts, metadata,
    rejected answers and tools in turn; every other one that goes into a message is put into the completion of one of
    ``hosts`` (raw records), where there are any. Equal arguments give equal records. One whose host takes too long to
    analyse is not counted: such a record goes into quarantine.
    """
    canaries = plant(entity, section.canaries_per_entity)
    first = planted_types(section).index(entity) * section.canaries_per_entity
    surroundings = itertools.islice(_surroundings(_host_texts(hosts)), first, first + len(canaries))
    planted = [
        (place, replace(canary, before=before + canary.before, after=canary.after + after))
        for canary, (place, before, after) in zip(canaries, surroundings, strict=True)
    ]
    rows = [_row(number, place, canary.text) for number, (place, canary) in enumerate(planted, first)]
    cleaned = scrubber.scrub(pl.DataFrame(rows, schema=Record.create_empty().schema), measuring=True).records
    row_of = {row["record_id"]: row for row in cleaned.iter_rows(named=True)}
    return [
        Outcome(entity, canary.form, not survives(canary, _text(row_of[row["record_id"]], place)))
        for row, (place, canary) in zip(rows, planted, strict=True)
        if row["record_id"] in row_of
    ]


def _surroundings(texts: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Endlessly, for one canary after another: its place in a record, and the host's text before and after it."""
    rng = random.Random(_SEED)
    for number, place in enumerate(itertools.cycle(_PLACES)):
        if texts and place in MESSAGE_COLUMNS and number % 2:
            yield place, *_opened(rng.choice(texts), rng)
        else:
            yield place, "", ""


def count(outcomes: Iterable[Outcome]) -> CanaryReport:
    """The report on canaries, given what became of each."""
    counted = pl.DataFrame(
        list(outcomes), schema={"entity": pl.String, "form": pl.String, "replaced": pl.Boolean}, orient="row"
    )
    by_entity = _recall(counted, "entity").sort("entity")
    return CanaryReport(
        by_entity=by_entity,
        by_form=_recall(counted, "form"),
        recall=sum(counted["replaced"]) / counted.height,
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
