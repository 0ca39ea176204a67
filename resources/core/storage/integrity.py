"""Whether stored bytes are those that were written: each file and model folder has its hash in its name."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import Path, PurePosixPath

import polars as pl

from fineline.resources.core.storage import layout
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Damaged, Storage, parts_digest

_DIGEST = re.compile(r"-([0-9a-f]{16})(?:\.|$)")


def whole_file(storage: Storage, manifest: Manifest, role: str) -> Path:
    """The one file or folder of a role, as a path on this machine, once it is known to be whole.

    Raises:
        Damaged: see :func:`require_whole`.
    """
    require_whole(storage, manifest, role)
    return storage.file(manifest, role)


def require_whole(
    storage: Storage, manifest: Manifest, role: str, batches: Container[str | None] | None = None
) -> None:
    """Check the files of a role, or those of some ``batches`` only, against the hashes in their names.

    A process reads a file once for each state of it (1 to 2 GB a second). The manifest of a damaged asset is set aside,
    so that the next run rebuilds it.

    Raises:
        Damaged: the bytes are not those that were written; the message names asset, batch and file.
    """
    found = find_damaged(storage, manifest, role, batches)
    if found is not None:
        raise damaged(storage, manifest, found)


def find_damaged(
    storage: Storage, manifest: Manifest, role: str, batches: Container[str | None] | None = None
) -> str | None:
    """The key of the first file of a role that is damaged or gone; None where all are whole."""
    for batch, key in storage.keys(manifest, role).items():
        if (batches is None or batch in batches or role in manifest.files) and not is_whole(storage, manifest, key):
            return key
    return None


def damaged(storage: Storage, manifest: Manifest, key: str) -> Damaged:
    """Set an asset with a damaged file aside; returns the error to raise."""
    storage.set_aside(manifest)
    return Damaged(
        f"{manifest.label} is damaged: {storage.root.location(key)} does not hold the bytes that were written. "
        "It counts as not made from now on: run again to rebuild it, and have the disk checked."
    )


def read_last_whole(storage: Storage, asset: str, role: str) -> pl.DataFrame | None:
    """A table in which an asset keeps what it could not compute again; None where it never stored one.

    It outlives damage to the asset's other files.

    Raises:
        Damaged: it is damaged itself, and only a person can decide to go on without it.
    """
    manifest = storage.last_stored(asset)
    if manifest is None or role not in manifest.roles:
        return None
    key = find_damaged(storage, manifest, role)
    if key is not None:
        raise Damaged(
            f"the {role} of {asset} is damaged: {storage.root.location(key)} does not hold the bytes that were "
            "written, and they can be computed from nothing else. Restore the file from a copy, or delete "
            f"{storage.root.location(layout.folder(asset))} to go on without it."
        )
    return storage.scan(manifest, role).collect()


def is_whole(storage: Storage, manifest: Manifest, key: str) -> bool:
    """Whether a file, or the folder that a part belongs to, has the hash that is in its name."""
    folder = layout.folder(manifest.asset, manifest.batch)
    content = PurePosixPath(key).relative_to(folder).parts[0]
    named = _DIGEST.search(content)
    if named is None:
        raise ValueError(f"{content} has no hash in its name")
    # The hash of a folder is that of the parts which have a role, in their order; other files may lie beside them.
    names = [name for name in manifest.files.values() if name.startswith(f"{content}/")] or [content]
    keys = [f"{folder}/{name}" for name in names]
    if not all(map(storage.root.exists, keys)):
        return False
    digest = storage.root.digest(keys[0]) if names == [content] else parts_digest(storage.root, keys)
    return digest.startswith(named[1])
