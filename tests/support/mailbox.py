"""A folder into which files are dropped, looked at as time goes on, for tests of arrivals."""

import json
import time

from support.places import asset_folder
from support.reading import read_parts

from fineline.resources.core.keys import load_key
from fineline.resources.core.recipe.sources import Files
from fineline.resources.core.storage.files import write_atomically
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Storage
from fineline.resources.data.ingestion.batches import arrived, known_arrivals
from fineline.resources.data.ingestion.registry import batch_key, name_hash
from fineline.resources.data.ingestion.scan import scan_sources


def row(answer):
    return json.dumps({"question": "Why?", "answer": answer}) + "\n"


def key_for(storage, source, name):
    """The key of a batch that arrives under a name."""
    return batch_key(source, name_hash(load_key(storage.root), source, name))


def answers_of(storage, source, key):
    """What a batch answers, read from where it lies now."""
    parts = read_parts(source, key, arrived(storage, source, key))
    return [message["content"] for part in parts for [message] in part.records["completion"]]


class Inbox:
    """A folder that is looked at as time goes on; each batch has a stored table as soon as it was seen."""

    def __init__(self, folder):
        self.folder, self.storage, self.now = folder / "in", Storage(folder / "root"), time.time() + 60
        self.folder.mkdir()
        self.source = Files(name="mail", kind="files", licence="MIT", path=self.folder)
        self.stores = True

    def drop(self, name, answer="Because."):
        (self.folder / name).write_text(row(answer))

    def scan_sources(self, *, later=10.0, ask=True):
        self.now += later
        found = scan_sources(self.storage, [self.source], now=self.now, ask=ask)
        for key in found.versions if self.stores else ():
            if self.storage.manifest("raw_corpus", key) is None:
                stored = {"asset": "raw_corpus", "batch": key, "data_version": "1", "code_version": "1"}
                self.storage.commit(written(self.storage, Manifest(**stored, inputs={}, files={}, run_id="r")))
        return found

    def key(self, name):
        return key_for(self.storage, "mail", name)

    def read(self, key):
        return answers_of(self.storage, self.source, key)

    def batch(self, key):
        return known_arrivals(self.storage)[key]


def written(storage, manifest):
    write_atomically(asset_folder(storage, manifest.asset, manifest.batch) / "data", b"")
    return manifest
