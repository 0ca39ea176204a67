"""The scan of all sources: the batches that there are now, the files that wait, and the obstacles."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from fineline.data_contracts import catalog
from fineline.resources.core.keys import load_key
from fineline.resources.core.recipe.sources import Source
from fineline.resources.core.storage.files import StorageError
from fineline.resources.core.storage.store import Storage
from fineline.resources.data.formats.rows import SourceError
from fineline.resources.data.ingestion.batches import origin, refusals, versions_of
from fineline.resources.data.ingestion.file_batches import Found, renewed
from fineline.resources.data.ingestion.inbox import SETTLED_SECONDS, Budget, FolderScan
from fineline.resources.data.ingestion.registry import (
    Arrival,
    Registry,
    SourceState,
    free_key,
    name_hash,
    opened,
)
from fineline.resources.data.ingestion.source_scan import SourceScan
from fineline.resources.data.sources.kinds import connector

# Every scan lists the folders; a hub, a database or the installed packages are asked once in so many seconds.
ASKED_EVERY_SECONDS = 60.0
# How long a run waits for files that somebody is writing.
PATIENCE_SECONDS = 3 * SETTLED_SECONDS


def scan_sources(
    storage: Storage, sources: Iterable[Source], *, now: float | None = None, ask: bool = True
) -> SourceScan:
    """Scan the sources, and store what was found in the registry.

    Folders and prefixes of object stores hold one batch a file, others one batch as a whole, or one a commit or an
    increment. ``ask`` is False for scans that come often: then hubs and databases are asked once a minute. ``now`` is
    the time, in seconds since 1970. A source that cannot be scanned keeps the batches that it had.
    """
    now = time.time() if now is None else now
    found = SourceScan()
    budget = Budget()
    sources = list(sources)
    folders = {source.name: folder for source in sources if (folder := connector(source).folder(source)) is not None}

    def is_stored(key: str) -> bool:
        return storage.manifest(catalog.RAW_CORPUS.name, key) is not None

    secret = load_key(storage.root)
    with opened(storage) as registry:
        states = {source.name: _state_of(registry, source) for source in sources}
        # Folders with the least to read come first: the others may read what these leave of their shares.
        order = sorted(sources, key=lambda each: (each.name not in folders, _unread(states[each.name])))
        for done, source in enumerate(order):
            state, hashed = states[source.name], partial(name_hash, secret, source.name)
            try:
                if source.name in folders:
                    share = budget.share(len(folders) - done)
                    FolderScan(source.name, folders[source.name], hashed, is_stored, share, now, found).update(state)
                elif ask or state.asked is None or abs(now - state.asked) >= ASKED_EVERY_SECONDS:
                    state.asked = now
                    _ask(state, source, now, hashed)
                else:
                    continue
                state.obstacle = None
            except SourceError as error:
                state.obstacle = str(error)
            except StorageError:
                raise
            # The packages of stores and databases have no common class of errors, and one source must not stop the
            # others. Their messages may hold addresses and passwords: only the name of the class is shown.
            except Exception as error:  # noqa: BLE001
                state.obstacle = (
                    f"{source.name}: what it is asked with failed ({type(error).__name__}). Check its address in the "
                    "recipe, and the credentials in the environment."
                )
        _describe(registry, sources, found)
    return found


def scan_until_settled(storage: Storage, sources: Sequence[Source], note: Callable[[str], None]) -> SourceScan:
    """Scan until all files are read, and those that somebody is writing are complete or had their time for it.

    ``note`` receives lines for people.
    """
    found = scan_sources(storage, sources)
    until = time.monotonic() + PATIENCE_SECONDS
    while found.reads_on or (found.settles and time.monotonic() < until):
        if found.reads_on:
            note(f"new files are read for the hash of their content; {found.reads_on} to go")
        else:
            time.sleep(SETTLED_SECONDS / 4)
        found = scan_sources(storage, sources, ask=False)
    return found


def require_batches(found: SourceScan) -> None:
    """Raise SourceError where no source has a batch; the message names the remedy."""
    blocked = [f"{name}: {found.obstacles[name]}" for name in found.empty if name in found.obstacles]
    if blocked:
        raise SourceError("\n".join(blocked))
    if not found.versions:
        what_to_do = "nothing has arrived yet: put files into the folders of the sources, then run again"
        raise SourceError(found.shown(". ".join([what_to_do, *found.notes])))


def _state_of(registry: Registry, source: Source) -> SourceState:
    """The known state of a source; of one that the recipe takes from elsewhere now, only the withdrawn batches."""
    state = registry.sources.get(source.name)
    if state is None or state.origin != origin(source):
        before = state.batches if state else {}
        withdrawn = {key: batch for key, batch in before.items() if batch.state == "withdrawn"}
        state = registry.sources[source.name] = SourceState(origin=origin(source), batches=withdrawn)
    return state


def _unread(state: SourceState) -> int:
    """The bytes of the files whose content the last scan did not know yet."""
    return sum(seen.size for seen in state.files.values() if seen.content is None)


def _ask(state: SourceState, source: Source, now: float, hashed: Callable[[str], str]) -> None:
    """Bring the batches of a source that is asked up to what it offers."""
    offer = connector(source).offer(source, state.mark)
    state.mark = offer.mark
    keys = {batch.name_hash: key for key, batch in state.batches.items()}
    # A commit or an increment stays as it arrived.
    after = dict(state.batches) if offer.adds else {}
    known = {batch.content for batch in after.values()}
    for batch in offer.batches:
        found = Found(batch.name, hashed(batch.name), batch.content, batch.place)
        key = keys.get(found.name_hash) or free_key(source.name, found.name_hash, {*state.batches, *after})
        if key not in after and batch.content not in known:
            before = state.batches.get(key)
            after[key] = renewed(before, found) if before else Arrival(first_seen=now, **vars(found))
    withdrawn = {key: batch for key, batch in state.batches.items() if batch.state == "withdrawn"}
    state.batches = withdrawn | after


def _describe(registry: Registry, sources: Sequence[Source], found: SourceScan) -> None:
    found.versions = versions_of(registry, sources)
    for key, refusal in refusals(registry, sources).items():
        found.refused[key] = refusal.reason + (" What was stored of it stays." if refusal.kept else "")
    for source in sources:
        state = registry.sources[source.name]
        found.gone += sorted(key for key, batch in state.batches.items() if batch.state == "gone")
        found.names |= {key: registry.name_of(key) for key in state.batches}
        if state.obstacle is not None:
            found.obstacles[source.name] = state.obstacle
        if state.batches.keys().isdisjoint(found.versions):
            found.empty.append(source.name)
