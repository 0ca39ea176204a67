"""Every key under a storage root: where tables, manifests and all other files are stored.

A key is a path from the root, with ``/`` between its parts. Keys of the second group stay on the local disk, also where
the root is an object store.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from fineline.data_contracts import catalog

# Names in the folder of an asset, or of one of its batches.
MANIFEST = "manifest.json"
DAMAGED = "manifest.damaged.json"
BATCH_FOLDER = "batch="
# Folders that a run is filling, and files that are being written, begin so.
UNFINISHED = (".", "new-")

ASSETS = "assets"
# What is made to be given away.
RELEASES = f"{ASSETS}/{catalog.RELEASE.name}"
ARRIVALS = "arrivals/registry.json"
TOMBSTONES = "forgotten/tombstones.parquet"
REQUESTS = "requests"
PSEUDONYM_KEY = "pseudonym.key"
LOCKS = "locks"

# On the local disk: Dagster's own files, what the scrubber found in which text, and unfinished trainings.
DAGSTER_HOME = "dagster"
FINDINGS_CACHE = "cache/findings"
CHECKPOINTS = "checkpoints"
# The records that a training sees, in the folder of its checkpoints.
EXPOSURE_IN_TRAINING = "exposure.parquet"

# Locks. An asset has one of its own name, for whoever writes it, and one that its readers share.
RUNNER_LOCK = "runner"
DAGSTER_LOCK = "dagster"
ARRIVALS_LOCK = "arrivals"
ARRIVAL_EVENTS_LOCK = "arrivals.events"
TOMBSTONES_LOCK = "forgotten"
# Held while lists of exposure are read and written, so that none is stored as it was before a mark.
EXPOSURE_LOCK = "exposure"


def folder(asset: str, batch: str | None = None) -> str:
    """The folder of an asset; a batch has a folder of its own in it."""
    return f"{ASSETS}/{asset}" + (f"/{BATCH_FOLDER}{quote(batch, safe='')}" if batch else "")


def batch_of(name: str) -> str | None:
    """The batch whose folder has this name; None for a name that is no batch's."""
    return unquote(name.removeprefix(BATCH_FOLDER)) if name.startswith(BATCH_FOLDER) else None


def manifest(asset: str, batch: str | None = None) -> str:
    """The manifest of an asset or of one of its batches."""
    return f"{folder(asset, batch)}/{MANIFEST}"


def damaged_manifest(asset: str, batch: str | None = None) -> str:
    """The manifest of an asset whose files were found damaged."""
    return f"{folder(asset, batch)}/{DAMAGED}"


def readers_lock(asset: str) -> str:
    """The lock that the readers of an asset share, and without which none of its files may be removed."""
    return f"{asset}.readers"


def scratch(asset: str) -> str:
    """The folder of the tables that an execution and its units of work leave for each other, until it ends."""
    return f"{folder(asset)}/new-scratch"


def request(request_id: str, kind: str = "json") -> str:
    """A request to forget that waits, or its plan or its journal, by ``kind``."""
    return f"{REQUESTS}/{request_id}.{kind}"


def checkpoints(asset: str, version: str) -> str:
    """The checkpoints of one training, on the local disk."""
    return f"{CHECKPOINTS}/{asset}-{version}"


def is_unfinished(name: str) -> bool:
    """Whether a file or folder of this name is one that a run has not finished."""
    return name.startswith(UNFINISHED)
