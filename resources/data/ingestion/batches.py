"""The batches that have arrived: the version of each, where it is read from, and withdrawing one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from fineline.resources.core.recipe.base import digest
from fineline.resources.core.recipe.sources import Source
from fineline.resources.core.storage.store import Storage
from fineline.resources.data.formats.rows import SourceError
from fineline.resources.data.ingestion.registry import Arrival, Registry, opened, registry_of
from fineline.resources.data.sources.batch import FilePlace
from fineline.resources.data.sources.files import format_of, vanished
from fineline.resources.data.sources.reader import connector


def origin(source: Source) -> str:
    """Where a source's batches come from; elsewhere they are others, even under the same name."""
    return json.dumps([source.kind, *connector(source).origin(source)])


def versions_of(registry: Registry, sources: Iterable[Source]) -> dict[str, str]:
    """The batches that the sources offer, sorted by key, each with a fingerprint of its content and how it is read."""
    found = {}
    for source in sources:
        state = registry.sources.get(source.name)
        if state is None or state.origin != origin(source):
            continue
        settings = connector(source).settings(source)
        # By form, since a source may have thousands of files: a renamed file of another ending is read differently.
        ways: dict[tuple[str, str] | None, str] = {}
        for key, batch in state.batches.items():
            if batch.state == "withdrawn":
                continue
            form = format_of(batch.place.name) if isinstance(batch.place, FilePlace) else None
            if form not in ways:
                ways[form] = digest(settings, form, state.companions_content)
            found[key] = f"{batch.content}-{ways[form]}"
    return dict(sorted(found.items()))


def version_of(versions: Mapping[str, str], key: str) -> str:
    """The version of a batch. Raises SourceError where there is no such batch, as after it was withdrawn."""
    if key not in versions:
        raise _no_batch(key)
    return versions[key]


def arrival(registry: Registry, key: str) -> Arrival:
    """What is known of a batch.

    Raises:
        SourceError: it is gone, or was never there; the message says what to do.
    """
    state = registry.sources.get(key.partition("/")[0])
    batch = state.batches.get(key) if state else None
    if batch is None or batch.state == "withdrawn":
        raise _no_batch(key)
    if batch.state == "gone":
        what = f"its file {batch.place.name} is gone" if isinstance(batch.place, FilePlace) else "it is gone"
        raise SourceError(vanished(key, what))
    return batch


def withdraw(storage: Storage, keys: Iterable[str]) -> list[str]:
    """Withdraw batches, even where their files stay or are sent again. Returns those that were known.

    Other content under the same name becomes a new version of the batch.
    """
    known = []
    with opened(storage) as registry:
        for key in keys:
            state = registry.sources.get(key.partition("/")[0])
            if state and key in state.batches:
                state.batches[key] = state.batches[key].model_copy(update={"state": "withdrawn"})
                known.append(key)
    return known


def known_arrivals(storage: Storage) -> dict[str, Arrival]:
    """All batches that are known, by key, also those that are gone or withdrawn."""
    return {key: batch for state in registry_of(storage).sources.values() for key, batch in state.batches.items()}


def _no_batch(key: str) -> SourceError:
    return SourceError(f"{key} is no batch of the recipe's sources, or no longer; what is, says fineline plan")
