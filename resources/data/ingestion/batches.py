"""The batches that have arrived: the version of each, how it is read, and withdrawing or blanking one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from fineline.resources.core.keys import load_key, stored_key
from fineline.resources.core.presentation.inert import inert_lines
from fineline.resources.core.recipe.base import digest
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.recipe.sources import Source
from fineline.resources.core.storage.files import StorageError
from fineline.resources.core.storage.store import Storage
from fineline.resources.data.formats.rows import PassingError, SourceError
from fineline.resources.data.ingestion.registry import KEY, Arrival, Refusal, Registry, name_hash, opened, registry_of
from fineline.resources.data.ingestion.version import VERSION
from fineline.resources.data.sources.batch import Batch, FilePlace
from fineline.resources.data.sources.files import printable, vanished
from fineline.resources.data.sources.kinds import connector
from fineline.resources.data.sources.locations import files_at


def origin(source: Source) -> str:
    """Where a source's batches come from; from elsewhere come other batches, even under the same names."""
    return json.dumps([source.kind, *connector(source).origin(source)])


def versions_of(registry: Registry, sources: Iterable[Source], *, refused: bool = False) -> dict[str, str]:
    """The batches that the sources offer, sorted by key, each with a fingerprint of its content and how it is read.

    One that was refused stays in the version that is stored of it, or is left out, unless ``refused`` asks for it.
    """
    found = {}
    for key, batch, version in _offered(registry, sources):
        if refused or batch.refusal is None or batch.refusal.version != version:
            found[key] = version
        elif batch.refusal.kept is not None:
            found[key] = batch.refusal.kept
    return dict(sorted(found.items()))


def refusals(registry: Registry, sources: Iterable[Source]) -> dict[str, Refusal]:
    """Why batches that the sources offer are refused, by key."""
    offered = sorted(_offered(registry, sources), key=lambda each: each[0])
    return {key: batch.refusal for key, batch, version in offered if batch.refusal and batch.refusal.version == version}


def _offered(registry: Registry, sources: Iterable[Source]) -> Iterator[tuple[str, Arrival, str]]:
    for source in sources:
        state = registry.sources.get(source.name)
        if state is None or state.origin != origin(source):
            continue
        settings = connector(source).settings(source)
        # By form, since a source may have thousands of files: a renamed file of another ending is read differently.
        ways: dict[str | None, str] = {}
        for key, batch in state.batches.items():
            if batch.state == "withdrawn":
                continue
            form = batch.place.form if isinstance(batch.place, FilePlace) else None
            if form not in ways:
                ways[form] = digest(settings, form, state.companions_content)
            yield key, batch, f"{batch.content}-{ways[form]}"


def version_of(versions: Mapping[str, str], key: str) -> str:
    """The version of a batch. Raises SourceError where there is no such batch, as after it was withdrawn."""
    if key not in versions:
        raise _no_batch(key)
    return versions[key]


def arrived(storage: Storage, source: Source, key: str) -> Batch:
    """A batch as it arrived, to be read.

    Raises:
        PassingError: its file is gone, and may come back.
        SourceError: it was never there, or was withdrawn; the message names the remedy.
    """
    batch = registry_of(storage).arrival(key)
    if batch is None or batch.state == "withdrawn":
        raise _no_batch(key)
    if batch.state == "gone":
        raise PassingError(vanished(key, "its file is gone"))
    is_hidden = batch.name is None and isinstance(batch.place, FilePlace)
    name = _file_name(storage, source, key, batch) if is_hidden else str(batch.name)
    return Batch(name, batch.content, batch.place)


def find_key(storage: Storage, called: str) -> str:
    """The key of a batch from its key or its ``<source>/<name>``, also of a blanked one; any other text as it is."""
    registry = registry_of(storage)
    source, _, name = called.partition("/")
    state = registry.sources.get(source)
    if state is None or called in state.batches:
        return called
    secret = stored_key(storage.root)
    hashed = name_hash(secret, source, name) if secret is not None else ""
    found = [key for key, batch in state.batches.items() if name == batch.name or hashed == batch.name_hash]
    # The batch that is there before one that had the name once.
    return min(found, key=lambda key: state.batches[key].state != "there", default=called)


def withdraw(storage: Storage, keys: Iterable[str]) -> list[str]:
    """Withdraw batches, even where their files stay or are sent again. Returns those that were known.

    Other content under the same name becomes a new version of the batch.
    """
    with opened(storage) as registry:
        return [key for key in keys if registry.change(key, state="withdrawn")]


def refuse(storage: Storage, refused: Mapping[str, Refusal | None]) -> None:
    """Leave batches out in one version, so that they keep no other back; None takes one in again."""
    if refused:
        with opened(storage) as registry:
            for key, refusal in refused.items():
                registry.change(key, refusal=refusal)


def accept_again(storage: Storage, recipe: Recipe) -> None:
    """Take in again what was refused under other settings, or by another version of the code."""
    terms = terms_of(recipe)

    def are_other(batch: Arrival) -> bool:
        return batch.refusal is not None and batch.refusal.terms != terms

    if any(are_other(batch) for batch in known_arrivals(storage).values()):
        with opened(storage) as registry:
            for state in registry.sources.values():
                for key, batch in state.batches.items():
                    if are_other(batch):
                        registry.change(key, refusal=None)


def blank(storage: Storage, keys: Iterable[str]) -> None:
    """Erase the names of batches, which are shown by their keys from then on.

    A name comes back only with other content in the place of a withdrawn batch, which is a new arrival.
    """
    with opened(storage) as registry:
        for key in keys:
            registry.change(key, name=None)


def known_arrivals(storage: Storage) -> dict[str, Arrival]:
    """All batches that are known, by key, also those that are gone or withdrawn."""
    return {key: batch for state in registry_of(storage).sources.values() for key, batch in state.batches.items()}


def with_names(storage: Storage, text: str) -> str:
    """A text for people, in which nothing acts: each key of a batch in it is replaced by the name that they know."""
    text = inert_lines(text)
    if KEY.search(text) is None:
        return text
    try:
        return registry_of(storage).shown(text)
    except StorageError:
        return text  # The registry is damaged, and the text may be what reports it.


def terms_of(recipe: Recipe) -> str:
    """What decides, beside its content, whether a batch is refused: a digest of settings and of the code."""
    return digest(VERSION, recipe.maximum_quarantine, recipe.allowed_licences)


def _file_name(storage: Storage, source: Source, key: str, batch: Arrival) -> str:
    """The name of a file whose name was blanked, which stands in the source's folder alone: found by its hash."""
    secret, folder = load_key(storage.root), connector(source).folder(source)
    for file in files_at(folder.location) if folder is not None else ():
        if name_hash(secret, source.name, printable(file.name)) == batch.name_hash:
            return file.name
    raise PassingError(vanished(key, "its file is gone"))


def _no_batch(key: str) -> SourceError:
    return SourceError(f"{key} is no batch of the recipe's sources, or no longer; fineline plan lists those that are")
