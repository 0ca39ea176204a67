"""Batches that are asked for: commits of a hub's branch, increments of a query, and other sources as a whole."""

from __future__ import annotations

from fineline.resources.core.recipe.base import digest
from fineline.resources.core.recipe.sources import HuggingFace, Source, Sql
from fineline.resources.data.ingestion.registry import Arrival, SourceState
from fineline.resources.data.sources.batch import Bound, CommitPlace, IncrementPlace, Place, SourceError
from fineline.resources.data.sources.files import NOT_IN_KEYS, batch_key
from fineline.resources.data.sources.huggingface import newest_commit
from fineline.resources.data.sources.reader import list_batches
from fineline.resources.data.sources.sql import highest

BOUND_CHARACTERS = 40


def bring_up_to_date(state: SourceState, source: Source, now: float) -> None:
    """Bring the batches of a source that is no folder up to what it offers."""
    match source:
        case HuggingFace(follow=str()):
            commit = newest_commit(source)
            key = batch_key(source.name, f"{source.split}@{commit[:12]}")
            _add(state, key, commit, CommitPlace(revision=commit), now)
        case Sql(increment=str()):
            mark, upto = state.mark, highest(source)
            if upto is not None and (mark is None or _is_above(upto, mark, source)):
                place = IncrementPlace(after=mark, upto=upto)
                _add(state, _increment_key(source.name, place), digest(place.model_dump()), place, now)
                state.mark = upto
        case _:
            listed = list_batches(source)
            state.batches = {b.key: _version(state.batches.get(b.key), b.fingerprint, now) for b in listed}


def _add(state: SourceState, key: str, content: str, place: Place, now: float) -> None:
    if key not in state.batches:
        state.batches[key] = Arrival(content=content, place=place, first_seen=now)


def _is_above(bound: Bound, mark: Bound, source: Sql) -> bool:
    try:
        return bool(bound.value > mark.value)
    except TypeError:
        raise SourceError(
            f"{source.name}: the column {source.increment} was of type {mark.type} and is {bound.type} now, so that it "
            "is not known which rows are new. Give the source a new name, to read all of them again."
        ) from None


def _increment_key(source: str, place: IncrementPlace) -> str:
    """``<source>/<after>..<upto>``, with a hash of both where they are too long or unfit for a key."""
    bounds = [place.after.text if place.after else "start", place.upto.text]
    # The colons of times are unfit, and say no more than dots do.
    safe = [NOT_IN_KEYS.sub("_", bound.replace(":", ".")).strip(".")[:BOUND_CHARACTERS] for bound in bounds]
    same = safe == [bound.replace(":", ".") for bound in bounds]
    return f"{source}/{'..'.join(safe)}" + ("" if same else f"-{digest(bounds)}")


def _version(before: Arrival | None, content: str, now: float) -> Arrival:
    if before is None:
        return Arrival(content=content, first_seen=now)
    if before.content == content:
        return before
    return before.model_copy(update={"content": content, "versions": before.versions + 1, "state": "there"})
