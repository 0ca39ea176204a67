"""A property tried on made-up cases: each is a file's name and content, so that what is found can be kept."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CORPUS = Path(__file__).resolve().parent / "corpus"
# `make fuzz` sets it: so many other cases each time, and the smallest that fails is written into the corpus.
MANY = int(os.environ.get("FINELINE_FUZZ_EXAMPLES", "0"))
# No value with these words may stand in an error.
SECRET = "Quincy Farnsworth 4711"


class Case(NamedTuple):
    name: str
    content: bytes


class Target(NamedTuple):
    """``check`` raises where a case is neither taken nor refused as it should be; ``few`` cases are tried in CI."""

    cases: st.SearchStrategy[Case]
    check: Callable[[Case], None]
    few: int


def shows_nothing(error: Exception) -> None:
    """Fail where an error shows a value."""
    assert SECRET not in str(error)


def throw(name: str, target: Target) -> None:
    """Try a target. The few cases are the same each time."""

    @settings(
        max_examples=MANY or target.few,
        derandomize=not MANY,
        database=None,
        deadline=timedelta(seconds=20) if MANY else None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(target.cases)
    def each(case):
        passed = False
        try:
            target.check(case)
            passed = True
        finally:
            if MANY and not passed:
                folder = CORPUS / name
                folder.mkdir(exist_ok=True)
                # The last that fails is the smallest.
                (folder / f"found{''.join(Path(case.name).suffixes)}").write_bytes(case.content)

    each()


def damaged(content: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Bytes as they are, cut off, with some replaced, or with some put between."""

    @st.composite
    def damage(draw):
        whole = draw(content)
        how = draw(st.sampled_from(["whole", "whole", "cut", "replaced", "longer"]))
        if how == "whole" or not whole:
            return whole
        start = draw(st.integers(0, len(whole) - 1))
        noise = draw(st.binary(max_size=8))
        return {
            "cut": whole[:start],
            "replaced": whole[:start] + noise + whole[start + len(noise) :],
            "longer": whole[:start] + noise + whole[start:],
        }[how]

    return damage()


TEXT = st.text(max_size=30) | st.sampled_from(
    ["", SECRET, "\ud83d", "\x00", "\u202e", "é" * 20, "<b>x</b>", "```json\n{}\n```"]
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -0.0, 2**63, 1e308])
LEAVES = st.none() | st.booleans() | NUMBERS | TEXT
NAMES = st.sampled_from(["role", "content", "name", "arguments", "from", "value", "", "parameters"]) | st.text(
    max_size=8
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=8
)


def edited(value: object, replacements: st.SearchStrategy[object] = VALUES) -> st.SearchStrategy[object]:
    """A JSON-like value with one to three of its parts replaced, removed or added to."""

    @st.composite
    def edit(draw):
        whole = draw(st.just(value).map(_copied))
        for _ in range(draw(st.integers(0, 3))):
            places = [*_places(whole)]
            if not places:
                return draw(replacements)
            holder, key = draw(st.sampled_from(places))
            match draw(st.sampled_from(["replace", "remove", "add"])):
                case "replace":
                    holder[key] = draw(replacements)
                case "remove":
                    del holder[key]
                case "add" if isinstance(holder, dict):
                    holder[draw(NAMES)] = draw(replacements)
                case _:
                    holder.append(draw(replacements))
        return whole

    return edit()


def _copied(value):
    if isinstance(value, dict):
        return {name: _copied(each) for name, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


def _places(value):
    """Each dictionary and list inside a value, with each of its keys."""
    keys = [*value] if isinstance(value, dict) else [*range(len(value))] if isinstance(value, list) else []
    for key in keys:
        yield value, key
        yield from _places(value[key])
