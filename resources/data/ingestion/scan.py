"""Scanning the sources: which batches there are now, which files wait, and what stands in the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from fineline.data_contracts import catalog
from fineline.resources.core.presentation.tables import first_few
from fineline.resources.core.recipe.sources import Source
from fineline.resources.core.storage.files import StorageError
from fineline.resources.core.storage.store import Storage
from fineline.resources.data.formats.rows import SourceError
from fineline.resources.data.ingestion.batches import origin, versions_of
from fineline.resources.data.ingestion.inbox import SETTLED_SECONDS, Budget, scan_folder
from fineline.resources.data.ingestion.registry import Arrival, Registry, SourceState, opened
from fineline.resources.data.sources.batch import Batch
from fineline.resources.data.sources.connector import Folder
from fineline.resources.data.sources.reader import connector

# Folders are looked at each time; a hub, a database or the installed packages are asked once in so many seconds.
ASKED_EVERY_SECONDS = 60.0
# How long a run waits for files that somebody is writing.
PATIENCE_SECONDS = 3 * SETTLED_SECONDS


@dataclass
class SourceScan:
    """What the sources offer now.

    ``versions`` are the batches, by key, each with a fingerprint of its content and of how the source is read;
    ``gone`` those whose file is not there. ``waiting`` are files that are not taken yet, with why, ``repeats`` files
    of the same content as a batch, ``obstacles`` sources that cannot be looked at, with why, and ``empty`` sources
    without any batch.
    """

    versions: dict[str, str] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    repeats: dict[str, str] = field(default_factory=dict)
    obstacles: dict[str, str] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    reads_on: bool = False
    settles: bool = False

    @property
    def notes(self) -> list[str]:
        """What a reader should know of the sources, a line for each kind of thing; the first few of many names."""
        named = {
            "gone, kept as stored": self.gone,
            "waiting": [f"{name} ({why})" for name, why in sorted(self.waiting.items())],
            "repeats": [f"{name} (of {key})" for name, key in sorted(self.repeats.items())],
            "cannot be looked at": [f"{name} ({why})" for name, why in self.obstacles.items()],
            "without a batch": [name for name in self.empty if name not in self.obstacles],
        }
        return [f"{len(names)} {what}: {first_few(names)}" for what, names in named.items() if names]


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
    with opened(storage) as registry:
        states = {source.name: _state_of(registry, source) for source in sources}
        # Folders with the least to read come first: what they leave of their shares is for the others.
        order = sorted(sources, key=lambda each: (each.name not in folders, _unread(states[each.name])))
        for done, source in enumerate(order):
            state = states[source.name]
            try:
                if source.name in folders:
                    share = budget.share(len(folders) - done)
                    _watch(state, source.name, folders[source.name], now, share, storage, found)
                elif ask or state.asked is None or abs(now - state.asked) >= ASKED_EVERY_SECONDS:
                    state.asked = now
                    _ask(state, source, now)
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


def scan_until_settled(storage: Storage, sources: Sequence[Source], tell: Callable[[str], None]) -> SourceScan:
    """Look again until all files are read, and those that somebody is writing have settled, or had time for it."""
    found = scan_sources(storage, sources)
    until = time.monotonic() + PATIENCE_SECONDS
    while found.reads_on or (found.settles and time.monotonic() < until):
        if found.reads_on:
            tell(f"new files are read to know what is in them; {len(found.waiting)} to go")
        else:
            time.sleep(SETTLED_SECONDS / 4)
        found = scan_sources(storage, sources, ask=False)
    return found


def require_batches(found: SourceScan) -> None:
    """Raises SourceError where there is nothing to make anything of; the message says what to do."""
    blocked = [f"{name}: {found.obstacles[name]}" for name in found.empty if name in found.obstacles]
    if blocked:
        raise SourceError("\n".join(blocked))
    if not found.versions:
        what_to_do = "nothing has arrived yet: put files into the folders of the sources, then run again"
        raise SourceError(". ".join([what_to_do, *found.notes]))


def _state_of(registry: Registry, source: Source) -> SourceState:
    """What is known of a source; of one that the recipe takes from elsewhere now, only what was withdrawn."""
    state = registry.sources.get(source.name)
    if state is None or state.origin != origin(source):
        before = state.batches if state else {}
        withdrawn = {key: batch for key, batch in before.items() if batch.state == "withdrawn"}
        state = registry.sources[source.name] = SourceState(origin=origin(source), batches=withdrawn)
    return state


def _unread(state: SourceState) -> int:
    """The bytes of the files whose content was not known yet at the last look."""
    return sum(seen.size for seen in state.files.values() if seen.content is None)


def _ask(state: SourceState, source: Source, now: float) -> None:
    """Bring the batches of a source that is asked up to what it offers."""
    offer = connector(source).offer(source, state.mark)
    offered = {f"{source.name}/{batch.name}": batch for batch in offer.batches}
    if offer.adds:
        # A commit or an increment stays as it was when it came.
        new = {key: batch for key, batch in offered.items() if key not in state.batches}
        state.batches |= {key: _version(None, batch, now) for key, batch in new.items()}
    else:
        state.batches = {key: _version(state.batches.get(key), batch, now) for key, batch in offered.items()}
    state.mark = offer.mark


def _version(before: Arrival | None, batch: Batch, now: float) -> Arrival:
    if before is None:
        return Arrival(content=batch.content, place=batch.place, first_seen=now)
    if before.content == batch.content:
        return before
    return before.model_copy(update={"content": batch.content, "versions": before.versions + 1, "state": "there"})


def _watch(
    state: SourceState, source: str, folder: Folder, now: float, budget: Budget, storage: Storage, found: SourceScan
) -> None:
    """Bring the batches of a folder up to its files."""
    findings = scan_folder(
        state, source, folder, now, budget, lambda key: storage.manifest(catalog.RAW_CORPUS.name, key) is not None
    )
    found.waiting |= {f"{source}/{name}": why for name, why in findings.waiting.items()}
    found.repeats |= {f"{source}/{name}": key for name, key in findings.repeats.items()}
    found.reads_on |= findings.reads_on
    found.settles |= findings.settles


def _describe(registry: Registry, sources: Sequence[Source], found: SourceScan) -> None:
    found.versions = versions_of(registry, sources)
    for source in sources:
        state = registry.sources[source.name]
        found.gone += sorted(key for key, batch in state.batches.items() if batch.state == "gone")
        if state.obstacle is not None:
            found.obstacles[source.name] = state.obstacle
        if all(batch.state == "withdrawn" for batch in state.batches.values()):
            found.empty.append(source.name)
