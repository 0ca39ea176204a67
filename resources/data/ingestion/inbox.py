"""The scan of a watched folder: its complete files, a hash of the content of each, and those that wait."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from fineline.resources.core.recipe.base import Location
from fineline.resources.core.redaction import address
from fineline.resources.data.formats.rows import SourceError
from fineline.resources.data.ingestion.file_batches import Found, assign
from fineline.resources.data.ingestion.registry import SeenFile, SourceState, batch_key
from fineline.resources.data.ingestion.source_scan import SourceScan
from fineline.resources.data.sources.connector import Folder
from fineline.resources.data.sources.files import KNOWN, is_known, is_temporary, place_of, printable, single
from fineline.resources.data.sources.locations import FOLDER, File, as_source_error, file_at, files_at

# A file that nobody has written to for so long is complete.
SETTLED_SECONDS = 2.0
# The most that one scan reads, so that no tick of a sensor takes long; the next scans read the rest.
BYTES_A_SCAN = 2**30
SECONDS_A_SCAN = 5.0
PIECE = 64 * 2**20
BLOCK = 2**20
# Of SHA-256: 128 bits, so that no two files are taken for one.
HASH_CHARACTERS = 32


@dataclass
class Budget:
    """How much may still be read: in one scan, or of one of its sources."""

    bytes_left: int = BYTES_A_SCAN
    until: float = field(default_factory=lambda: time.monotonic() + SECONDS_A_SCAN)
    whole: Budget | None = None
    is_untouched: bool = False

    def share(self, among: int) -> Budget:
        """The part of one of so many sources; what it does not read is left to the others.

        A first piece may always be read, so that no source waits for the others.
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


@dataclass(frozen=True)
class FolderScan:
    """A scan of a source's folder, whose findings go to ``found``.

    ``hashed`` gives the keyed hash of a file's name, ``now`` is in seconds since 1970.
    """

    source: str
    folder: Folder
    hashed: Callable[[str], str]
    is_stored: Callable[[str], bool]
    budget: Budget
    now: float
    found: SourceScan

    def update(self, state: SourceState) -> None:
        """Bring the known files and batches of a source up to the files of its folder.

        Raises:
            SourceError: the folder, or a file that all are read with, cannot be read. Everything known stays, except
                that the batches of a folder that is not there are gone.
        """
        location = self.folder.location
        try:
            files = [file for file in files_at(location) if file.refused != FOLDER or is_known(file.name)]
        except SourceError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                state.files = {}
                self._assign(state, {}, set())
            raise
        self._follow_companions(state)
        candidates = [file for file in files if is_known(file.name) or is_temporary(file.name)]
        if files and not candidates and not state.batches:
            raise SourceError(f"{location} holds no file of a known format. Known formats: {KNOWN}.")
        known = self._complete_names(files)
        before, state.files = state.files, {}
        # A file that could not be read is tried last: a bad disk may take all the time there is.
        for hashed in sorted(known, key=lambda hashed: hashed in before and bool(before[hashed].failed)):
            called = batch_key(self.source, hashed)
            state.files[hashed] = self._followed(called, location, known[hashed], before.get(hashed))
        if self.folder.companions and not state.companions_content:
            return
        complete = {
            hashed: Found(known[hashed].name, hashed, seen.content, place_of(known[hashed]))
            for hashed, seen in state.files.items()
            if seen.content
        }
        self._assign(state, complete, state.files.keys() - complete.keys())

    def _follow_companions(self, state: SourceState) -> None:
        """Bring the files that all batches are read with up to now, and the hash of them all once they are complete."""
        files = {place: single(self.source, place) for place in self.folder.companions}
        before = state.companions
        state.companions = {
            (called := f"{self.source}/{address(place)}"): self._followed(called, place, file, before.get(called))
            for place, file in files.items()
        }
        if all(seen.content for seen in state.companions.values()):
            state.companions_content = "-".join(str(seen.content) for seen in state.companions.values())

    def _complete_names(self, files: Iterable[File]) -> dict[str, File]:
        """The files that may be batches by their names, by the hash of the name; the others wait, with the reason."""
        known = {}
        for file in files:
            name = printable(file.name)
            hashed = self.hashed(name)
            called = batch_key(self.source, hashed)
            self.found.names[called] = f"{self.source}/{name}"
            if is_temporary(name):
                self.found.waiting[called] = "until it is renamed"
            elif not is_known(name):
                self.found.waiting[called] = "its format is none that is known"
            elif name != file.name:
                self.found.waiting[called] = "its name is not UTF-8; rename it"
            elif file.refused:
                self.found.waiting[called] = file.refused
            else:
                known[hashed] = file
        return known

    def _assign(self, state: SourceState, complete: Mapping[str, Found], unfinished: Collection[str]) -> None:
        state.batches, repeats = assign(self.source, state.batches, complete, unfinished, self.now, self.is_stored)
        self.found.repeats |= {batch_key(self.source, hashed): key for hashed, key in repeats.items()}

    def _followed(self, called: str, location: Location, file: File, seen: SeenFile | None) -> SeenFile:
        """The file as it is now, with its content as far as that is known; until all of it is, it waits."""
        if seen is None or (seen.size, seen.mark) != (file.size, file.mark):
            seen = SeenFile(size=file.size, mark=file.mark, since=self.now)
        if seen.content is None and not _is_settled(file, seen, self.now):
            self.found.waiting[called] = "until nobody writes to it"
            self.found.settles = True
        elif seen.content is None:
            try:
                seen = _read_on(called, location, file, seen, self.budget)
            except SourceError as error:
                self.found.waiting[called] = str(error)
                return seen.model_copy(update={"failed": True})
            if seen.content is None:
                self.found.waiting[called] = f"{len(seen.pieces) * PIECE >> 20} of {seen.size >> 20} MiB are read"
                self.found.reads_on += not seen.failed
        return seen


def _is_settled(file: File, seen: SeenFile, now: float) -> bool:
    """Whether nobody has written to a file for long enough, by its own time or by when it was first seen like this.

    Where its time lies ahead, or the clock was set back, the time of the first sight counts.
    """
    rested = file.modified is not None and now - file.modified >= SETTLED_SECONDS
    return rested or abs(now - seen.since) >= SETTLED_SECONDS


def _read_on(called: str, location: Location, file: File, seen: SeenFile, budget: Budget) -> SeenFile:
    """The file with the hashes of as many further pieces as may be read now; after the last, with that of the whole."""
    pieces = list(seen.pieces)
    count = max(1, -(-seen.size // PIECE))
    # A disk or a connection may fail at any byte.
    with as_source_error(called), file.open() as content:
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
    now = file_at(location, file.name, called)
    if (now.size, now.mark) != (seen.size, seen.mark):
        raise SourceError("it was written to while it was read")
    whole = pieces[0] if count == 1 else hashlib.sha256("".join(pieces).encode()).hexdigest()[:HASH_CHARACTERS]
    return seen.model_copy(update={"pieces": (), "content": whole, "failed": None})
