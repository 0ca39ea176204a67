"""What reaches the disk of the changes below a folder, operation by operation, and what a power cut may leave of it.

The model is stricter than any file system that keeps the promise of fsync. Each name in a folder and the content of
each file is by itself: what was flushed stays, and of all else any part may be lost, also one half of a rename, and
the end of a file.
"""

import os
from dataclasses import dataclass, field

import pytest

CALLS = ("mkdir", "rename", "replace", "unlink", "remove", "rmdir")


@dataclass(frozen=True)
class Name:
    """A name in a folder now stands for this file or folder, or for nothing."""

    holder: int
    name: str
    file: int | None


@dataclass(frozen=True)
class Content:
    """A file now holds these bytes."""

    holder: int
    content: bytes


@dataclass(frozen=True)
class Flush:
    """The names in a folder, or the content of a file, are on the disk."""

    holder: int


@dataclass
class Recorder:
    """Records what changes below a folder, with every call of Python that changes a name or flushes."""

    folder: str
    operations: list = field(default_factory=list)
    folders: set = field(default_factory=set)
    _names: dict = field(default_factory=dict)
    _contents: dict = field(default_factory=dict)
    _held: dict = field(default_factory=dict)

    def __enter__(self):
        self._patch = pytest.MonkeyPatch()
        for call in CALLS:
            self._patch.setattr(os, call, self._looking(getattr(os, call)))
        self._patch.setattr(os, "fsync", self._flushing(os.fsync))
        self.look()
        return self

    def __exit__(self, *_):
        self._patch.undo()
        for descriptor in self._held.values():
            os.close(descriptor)

    def look(self):
        """Record what has changed since the last look."""
        names = {}
        self._walk(self.folder, names)
        for place in self._names.keys() | names.keys():
            if self._names.get(place) != names.get(place):
                self.operations.append(Name(*place, names.get(place)))
        self._names = names

    def _walk(self, path, names):
        holder = self._hold(path)
        self.folders.add(holder)
        for entry in os.scandir(path):
            if entry.is_dir():
                names[holder, entry.name] = self._walk(entry.path, names)
            else:
                file = names[holder, entry.name] = self._hold(entry.path)
                with open(entry.path, "rb") as opened:
                    content = opened.read()
                if self._contents.get(file, b"") != content:
                    self._contents[file] = content
                    self.operations.append(Content(file, content))
        return holder

    def _hold(self, path):
        # An open file keeps its number, so that no later one gets it.
        file = os.stat(path).st_ino
        if file not in self._held:
            self._held[file] = os.open(path, os.O_RDONLY)
        return file

    def _looking(self, call):
        def looking(*arguments, **more):
            self.look()
            try:
                return call(*arguments, **more)
            finally:
                self.look()

        return looking

    def _flushing(self, call):
        def flushing(descriptor):
            self.look()
            call(descriptor)
            self.operations.append(Flush(os.fstat(descriptor).st_ino))

        return flushing

    def left(self, done, random=None):
        """Names and contents after a power cut behind so many operations: of what was not flushed nothing is left,
        or what ``random`` chooses.
        """
        flushed = {each.holder: at for at, each in enumerate(self.operations[:done]) if isinstance(each, Flush)}
        share = random.choice((0.1, 0.5, 0.9)) if random else 0.0
        names, contents = {}, {}
        for at, each in enumerate(self.operations[:done]):
            kept = at < flushed.get(each.holder, -1)
            if isinstance(each, Flush) or not (kept or (random and random.random() < share)):
                continue
            if isinstance(each, Name):
                names[each.holder, each.name] = each.file
            else:
                cut = not kept and random.random() < 0.3
                contents[each.holder] = each.content[: random.randrange(len(each.content) + 1)] if cut else each.content
        return names, contents

    def rebuild(self, left, target):
        """Make a folder that holds what a power cut left."""
        names, contents = left
        inside = {}
        for (holder, name), file in names.items():
            if file is not None:
                inside.setdefault(holder, []).append((name, file))
        folders = [(os.stat(self.folder).st_ino, target)]
        while folders:
            holder, path = folders.pop()
            path.mkdir()
            for name, file in inside.get(holder, []):
                if file in self.folders:
                    folders.append((file, path / name))
                else:
                    descriptor = os.open(path / name, os.O_WRONLY | os.O_CREAT, 0o600)
                    os.write(descriptor, contents.get(file, b""))
                    os.close(descriptor)
