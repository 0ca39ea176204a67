"""The batches of a recipe's sources: which have arrived, where they are, and which version of each is there now."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fineline.resources.core.presentation.tables import first_few
from fineline.resources.core.recipe.base import digest
from fineline.resources.core.recipe.sources import Files, HuggingFace, Source, Sql
from fineline.resources.core.storage.files import StorageError
from fineline.resources.core.storage.store import Storage
from fineline.resources.data.ingestion.inbox import SETTLED_SECONDS, Budget, scan_folder
from fineline.resources.data.ingestion.pulls import bring_up_to_date
from fineline.resources.data.ingestion.registry import Arrival, Registry, SourceState, opened, registry_of
from fineline.resources.data.sources.batch import FilePlace, SourceError
from fineline.resources.data.sources.files import format_of, vanished

# Folders are looked at each time; a hub, a database or the installed packages are asked once in so many seconds.
ASKED_EVERY_SECONDS = 60.0
# How long a run waits for files that somebody is writing.
PATIENCE_SECONDS = 3 * SETTLED_SECONDS
SHOWN = 5


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
        return [f"{len(names)} {what}: {first_few(names, SHOWN)}" for what, names in named.items() if names]


def scan_sources(
    storage: Storage, sources: Iterable[Source], *, now: float | None = None, ask: bool = True
) -> SourceScan:
    """Look at the sources, and remember what was found beside the tables.

    Folders and prefixes of object stores hold one batch a file, others one batch as a whole, or one a commit or an
    increment. ``ask`` is False for looks that come often: then hubs and databases are asked once a minute. ``now`` is
    the time, in seconds since 1970. A source that cannot be looked at keeps the batches that it had.
    """
    now = time.time() if now is None else now
    found = SourceScan()
    budget = Budget()
    sources = list(sources)
    folders = [source for source in sources if isinstance(source, Files)]
    asked = [source for source in sources if not isinstance(source, Files)]
    with opened(storage) as registry:
        # Those with the least to read come first: what they leave of their shares is for the others.
        folders.sort(key=lambda source: _unread(_state_of(registry, source)))
        for done, source in enumerate([*folders, *asked]):
            state = _state_of(registry, source)
            try:
                if isinstance(source, Files):
                    share = budget.share(len(folders) - done)
                    _look_into_folder(state, source, now, share, storage, found)
                elif ask or state.asked is None or abs(now - state.asked) >= ASKED_EVERY_SECONDS:
                    state.asked = now
                    bring_up_to_date(state, source, now)
                else:
                    continue
                state.obstacle = None
            except SourceError as error:
                state.obstacle = str(error)
            except StorageError:
                raise
            # What the packages of stores and databases raise has no common class, and one source must not stop the
            # others. Their messages may hold addresses and passwords: only the name of the class is told.
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


def versions_of(registry: Registry, sources: Iterable[Source]) -> dict[str, str]:
    """The batches that the sources offer, sorted, with a fingerprint of what is in each and of how it is read."""
    found = {}
    for source in sources:
        state = registry.sources.get(source.name)
        if state is None or state.origin != _origin(source):
            continue
        options = source.model_dump(mode="json", exclude={"path"} if isinstance(source, Files) else None)
        ways: dict[tuple[str, str] | None, str] = {}
        for key, batch in state.batches.items():
            if batch.state == "withdrawn":
                continue
            form = format_of(batch.place.name) if isinstance(batch.place, FilePlace) else None
            if form not in ways:
                ways[form] = digest(options, form, state.beside_content)
            found[key] = f"{batch.content}-{ways[form]}"
    return dict(sorted(found.items()))


def version_of(versions: Mapping[str, str], key: str) -> str:
    """The version of a batch. Raises SourceError where it is none, as after it was withdrawn."""
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


def _no_batch(key: str) -> SourceError:
    return SourceError(f"{key} is no batch of the recipe's sources, or no longer; what is, says fineline plan")


def withdraw(storage: Storage, keys: Iterable[str]) -> list[str]:
    """Make batches none any more, also where their file stays or is sent again; returns those that were known.

    Other content under the same name is taken, as a new version of the batch.
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
    """All that is known of the batches, by key: also of those that are gone or withdrawn."""
    return {key: batch for state in registry_of(storage).sources.values() for key, batch in state.batches.items()}


def _state_of(registry: Registry, source: Source) -> SourceState:
    """What is known of a source; of one that the recipe takes from elsewhere now, only what was withdrawn."""
    state = registry.sources.get(source.name)
    if state is None or state.origin != _origin(source):
        before = state.batches if state else {}
        withdrawn = {key: batch for key, batch in before.items() if batch.state == "withdrawn"}
        state = registry.sources[source.name] = SourceState(origin=_origin(source), batches=withdrawn)
    return state


def _unread(state: SourceState) -> int:
    """The bytes of the files whose content was not known yet at the last look."""
    return sum(seen.size for seen in state.files.values() if seen.content is None)


def _origin(source: Source) -> str:
    """Where a source's batches come from; elsewhere they are others, whatever they are called."""
    match source:
        case Files():
            parts: list[str | None] = [str(source.path)]
        case HuggingFace(follow=str()):
            parts = [source.id, source.config, source.split, source.follow]
        case Sql(increment=str()):
            parts = [source.uri_variable, source.increment]
        case _:
            parts = []
    return json.dumps([source.kind, *parts])


def _look_into_folder(
    state: SourceState, source: Files, now: float, budget: Budget, storage: Storage, found: SourceScan
) -> None:
    findings = scan_folder(state, source, now, budget, lambda key: storage.manifest("raw_corpus", key) is not None)
    found.waiting |= {f"{source.name}/{name}": why for name, why in findings.waiting.items()}
    found.repeats |= {f"{source.name}/{name}": key for name, key in findings.repeats.items()}
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
