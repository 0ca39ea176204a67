"""The keys of batches in tests, whose storage roots share one pseudonym key."""

import os
from pathlib import Path

from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.storage.layout import PSEUDONYM_KEY
from fineline.resources.data.ingestion.registry import batch_key, name_hash

SECRET = "of tests alone, and of no secret at all"


def key(called: str) -> str:
    """The key of the batch that people call ``<source>/<name>``."""
    source, _, name = called.partition("/")
    return batch_key(source, name_hash(PseudonymKey(SECRET.encode()), source, name))


def give_key(root: str | Path) -> None:
    """Give a storage root the key of tests, before anything is scanned; one that has it keeps it."""
    Path(root).mkdir(parents=True, exist_ok=True)
    with open(os.open(Path(root, PSEUDONYM_KEY), os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(SECRET)


def label(asset: str, called: str) -> str:
    """The label of a batch's table: ``raw_corpus[colours/0123456789ab]``."""
    return f"{asset}[{key(called)}]"
