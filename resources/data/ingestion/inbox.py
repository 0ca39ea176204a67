"""A watched folder: which files are complete, what is in them, and which batch each of them is."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fineline.resources.data.formats.rows import SourceError
from fineline.resources.data.ingestion.registry import Arrival, SeenFile, SourceState
from fineline.resources.data.sources.batch import FilePlace
from fineline.resources.data.sources.connector import Folder
from fineline.resources.data.sources.files import KNOWN, batch_key, is_known, is_temporary, printable, single
from fineline.resources.data.sources.locations import File, as_source_error, files_at

# A file that nobody has written to for so long is complete.
SETTLED_SECONDS = 2.0
# What is read in one look, so that no tick of a sensor takes long; the rest is read in the next ones.
BYTES_A_LOOK = 2**30
SECONDS_A_LOOK = 5.0
PIECE = 64 * 2**20
BLOCK = 2**20
# Of SHA-256: 128 bits, so that no two files are taken for one.
HASH_CHARACTERS = 32


@dataclass
class Budget:
    """How much may still be read: by one look, or by one source of those that are looked at."""

    bytes_left: int = BYTES_A_LOOK
    until: float = field(default_factory=lambda: time.monotonic() + SECONDS_A_LOOK)
    whole: Budget | None = None
    is_untouched: bool = False

    def share(self, among: int) -> Budget:
        """The part of one of so many sources; what it does not read is left to the others.

        A first piece may always be read, so that each source gets on, however much there is to read in others.
        """
        now = time.monotonic()
        return Budget(max(self.bytes_left, 0) // among, now + (self.until - now) / among, self, is_untouched=True)

    @property
    def is_left(self) -> bool:
        """Whether another piece may be read."""
        return self.is_untouched or (self.bytes_left > 0 and time.monotonic() < self.until)

    def spend(self, size: int) -> None:
        """Take off what was read."""
        self.is_untouched = False
        self.bytes_left -= size
        if self.whole is not None:
            self.whole.spend(size)


@dataclass
class Findings:
    """What a look at a folder found beside its batches: files that wait, with why, and repeats, with of which batch.

    ``reads_on`` says that there is more to read, so that it is worth looking again at once; ``settles``, that a file
    may be complete in a moment.
    """

    waiting: dict[str, str] = field(default_factory=dict)
    repeats: dict[str, str] = field(default_factory=dict)
    reads_on: bool = False
    settles: bool = False


def scan_folder(
    state: SourceState, source: str, folder: Folder, now: float, budget: Budget, is_stored: Callable[[str], bool]
) -> Findings:
    """Bring what is known of a folder's files and batches up to what is there.

    A batch whose file is gone is kept where ``is_stored`` says that there is something of it.

    Raises:
        SourceError: the folder, or a file that all are read with, cannot be looked at; what is known stays then,
            but for a folder that is not there at all: its batches are gone.
    """
    findings = Findings()
    try:
        found = files_at(folder.location)
    except SourceError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            state.files = {}
            state.batches = assign(source, state.batches, {}, set(), now, is_stored)[0]
        raise
    others = {str(place): single(source, place) for place in folder.companions}
    state.companions = _followed(others, state.companions, now, budget, findings)
    if all(seen.content for seen in state.companions.values()):
        state.companions_content = "-".join(str(seen.content) for seen in state.companions.values())
    known = {}
    for file in found:
        name = printable(file.name)
        if is_temporary(name):
            findings.waiting[name] = "until it is renamed"
        elif is_known(name) and name != file.name:
            findings.waiting[name] = "its name is not UTF-8; rename it"
        elif is_known(name):
            known[name] = file
    if found and not known and not findings.waiting and not state.batches:
        raise SourceError(f"{folder.location} holds no file of a known format. Known formats: {KNOWN}.")
    state.files = _followed(known, state.files, now, budget, findings)
    if others and not state.companions_content:
        return findings
    complete = {name: seen for name, seen in state.files.items() if seen.content}
    state.batches, findings.repeats = assign(
        source, state.batches, complete, state.files.keys() - complete.keys(), now, is_stored
    )
    return findings


def assign(
    source: str,
    batches: Mapping[str, Arrival],
    complete: Mapping[str, SeenFile],
    unfinished: set[str],
    now: float,
    is_stored: Callable[[str], bool],
) -> tuple[dict[str, Arrival], dict[str, str]]:
    """Which batch each complete file is: the batches by key, and the names of files that repeat one.

    A batch that is there stays with its name, whatever is in it now. One whose name is gone is where its content
    is; one whose content is nowhere is gone, or, where a file of its old name comes with new content, that.
    Content that no batch has is a new batch. All that is withdrawn stays so, until other content comes in its place.
    """
    after = dict(batches)
    by_name = {name: key for key, a in batches.items() if a.state != "gone" and (name := _name(a)) is not None}
    kept = {name: key for name, key in by_name.items() if name in complete or name in unfinished}
    for name in kept.keys() & complete.keys():
        after[kept[name]] = _renewed(after[kept[name]], name, complete[name])

    free: dict[str, list[str]] = {}
    for name in sorted(complete.keys() - kept.keys()):
        free.setdefault(str(complete[name].content), []).append(name)
    lost = set()
    for key in sorted(batches.keys() - kept.values()):
        if names := free.get(after[key].content):
            after[key] = _renewed(after[key], names[0], complete[names.pop(0)])
        else:
            lost.add(key)

    held = {batch.content: key for key, batch in after.items() if key not in lost}
    old_names = {name: key for key in sorted(lost) if (name := _name(after[key])) is not None}
    for content, names in free.items():
        if not names or content in held:
            continue
        name = next((name for name in names if name in old_names), names[0])
        if name in old_names:
            key = old_names[name]
            lost.remove(key)
            after[key] = _renewed(after[key], name, complete[name])
        else:
            key = _free_key(source, name, content, after)
            place = FilePlace(name, complete[name].size, complete[name].mark)
            after[key] = Arrival(content=content, place=place, first_seen=now)
        names.remove(name)
        held[content] = key
    for key in lost:
        if after[key].state == "there" and is_stored(key):
            after[key] = after[key].model_copy(update={"state": "gone"})
        elif after[key].state == "there":
            del after[key]
    return after, {name: held[content] for content, names in free.items() for name in names}


def _name(batch: Arrival) -> str | None:
    return batch.place.name if isinstance(batch.place, FilePlace) else None


def _renewed(batch: Arrival, name: str, seen: SeenFile) -> Arrival:
    """The batch as it is in this file now."""
    place = FilePlace(name, seen.size, seen.mark)
    if batch.content != seen.content:
        changed = {"content": seen.content, "versions": batch.versions + 1, "state": "there"}
    elif batch.place == place and batch.state != "gone":
        return batch
    else:
        changed = {"state": "there" if batch.state == "gone" else batch.state}
    return batch.model_copy(update={"place": place, **changed})


def _free_key(source: str, name: str, content: str, batches: Mapping[str, Arrival]) -> str:
    """The key of the name; of a name whose key belongs to a batch that was renamed, with a hash."""
    key, given = batch_key(source, name), content
    while key in batches:
        given = hashlib.sha256(given.encode()).hexdigest()
        key = batch_key(source, f"{name}-{given[:12]}")
    return key


def _followed(
    files: Mapping[str, File], before: Mapping[str, SeenFile], now: float, budget: Budget, findings: Findings
) -> dict[str, SeenFile]:
    """The files as they are now, each with its content as far as it is known; the others wait, with why."""
    after = {}
    # What could not be read is tried last: a bad disk may take all the time there is.
    failed = {name for name, seen in before.items() if seen.failed}
    for name in sorted(files, key=failed.__contains__):
        file, seen = files[name], before.get(name)
        if seen is None or (seen.size, seen.mark) != (file.size, file.mark):
            seen = SeenFile(size=file.size, mark=file.mark, since=now)
        if seen.content is None and not _is_settled(file, seen, now):
            findings.waiting[name] = "until nobody writes to it"
            findings.settles = True
        elif seen.content is None:
            try:
                seen = _read_on(file, seen, budget)
            except SourceError as error:
                findings.waiting[name] = str(error)
                seen = seen.model_copy(update={"failed": True})
            else:
                if seen.content is None:
                    findings.waiting[name] = f"{len(seen.pieces) * PIECE >> 20} of {seen.size >> 20} MiB are read"
                    findings.reads_on |= not seen.failed
        after[name] = seen
    return after


def _is_settled(file: File, seen: SeenFile, now: float) -> bool:
    """Whether a file is as it was for long enough, by its own time or by when it was first seen like this.

    A time that lies ahead says nothing, nor does a clock that was set back since: what was seen then counts.
    """
    rested = file.modified is not None and now - file.modified >= SETTLED_SECONDS
    return rested or abs(now - seen.since) >= SETTLED_SECONDS


def _read_on(file: File, seen: SeenFile, budget: Budget) -> SeenFile:
    """The file with the hashes of as many further pieces as may be read now; with that of all when they are."""
    pieces = list(seen.pieces)
    count = max(1, -(-seen.size // PIECE))
    # A disk or a connection may fail at any byte.
    with as_source_error(file.name), file.open() as content:
        content.seek(len(pieces) * PIECE)
        while len(pieces) < count and budget.is_left:
            digest = hashlib.sha256()
            left = PIECE
            try:
                while left and (block := content.read(min(BLOCK, left))):
                    digest.update(block)
                    left -= len(block)
            finally:
                budget.spend(PIECE - left)
            pieces.append(digest.hexdigest()[:HASH_CHARACTERS])
    if len(pieces) < count:
        failed = seen.failed if len(pieces) == len(seen.pieces) else None
        return seen.model_copy(update={"pieces": tuple(pieces), "failed": failed})
    now = file.again()
    if (now.size, now.mark) != (seen.size, seen.mark):
        raise SourceError("it was written to while it was read")
    whole = pieces[0] if count == 1 else hashlib.sha256("".join(pieces).encode()).hexdigest()[:HASH_CHARACTERS]
    return seen.model_copy(update={"pieces": (), "content": whole, "failed": None})
