"""Whether stored bytes are those that were written: each file and model folder has its hash in its name."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path

from fineline.resources.core.storage.files import file_digest, parts_digest
from fineline.resources.core.storage.store import Damaged, Manifest, Storage

_DIGEST = re.compile(r"-([0-9a-f]{16})(?:\.|$)")


def whole_file(storage: Storage, manifest: Manifest, role: str) -> Path:
    """The path of one of a manifest's files or folders, which is as it was written.

    It is read through once in a process and state of the file (1 to 2 GB a second). Of a damaged one the manifest
    is set aside, so that the next run makes the asset anew.

    Raises:
        Damaged: the bytes are not those that were written; the message names asset, batch and file.
    """
    if not is_whole(storage, manifest, role):
        raise damaged(storage, manifest, role)
    return storage.file(manifest, role)


def last_whole(storage: Storage, asset: str, role: str) -> Path | None:
    """The file of a role in which an asset keeps what it could not make anew; None where it never stored one.

    It outlives damage to the asset's other files.

    Raises:
        Damaged: it is damaged itself, and nothing goes on without being told to.
    """
    manifest = storage.last_stored(asset)
    if manifest is None or role not in manifest.files:
        return None
    path = storage.file(manifest, role)
    if not path.exists() or not is_whole(storage, manifest, role):
        raise Damaged(
            f"the {role} of {asset} is damaged: {path} does not hold the bytes that were written, and they can be made "
            f"from nothing else. Restore the file from a copy, or delete {path.parent} to go on without it."
        )
    return path


def damaged(storage: Storage, manifest: Manifest, role: str) -> Damaged:
    """Set a damaged asset aside; returns the error to raise."""
    storage.set_aside(manifest)
    return Damaged(
        f"{manifest.label} is damaged: {storage.file(manifest, role)} does not hold the bytes "
        "that were written. It counts as not made from now on: run again, and it is made anew. Have the disk checked."
    )


def is_whole(storage: Storage, manifest: Manifest, role: str) -> bool:
    """Whether the bytes of one of a manifest's files or folders have the hash that is in its name."""
    folder = storage.folder(manifest.asset, manifest.batch)
    stored = Path(manifest.files[role])
    named = _DIGEST.search(stored.parts[0])
    if named is None:
        raise ValueError(f"{stored} has no hash in its name")
    content = folder / stored.parts[0]
    if not content.exists():
        return False
    if not content.is_dir():
        return _digest(content, (), _state(content)) == named[1]
    # The hash is of those parts of the folder that have a role; other files, such as what a model saw, lie beside it.
    inside = [Path(name).parts for name in manifest.files.values()]
    parts = tuple(Path(*rest).as_posix() for folder, *rest in inside if folder == stored.parts[0])
    if not all((content / part).exists() for part in parts):
        return False
    return _digest(content, parts, _state(content)) == named[1]


@lru_cache(maxsize=65536)
def _digest(path: Path, parts: tuple[str, ...], state: str) -> str:
    return (parts_digest(path, parts) if parts else file_digest(path))[:16]


def _state(path: Path) -> str:
    """What changes when a file, or one below a folder, is written to."""
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    state = hashlib.sha256()
    for each in found:
        stat = each.stat()
        state.update(f"{each}\0{stat.st_size}\0{stat.st_mtime_ns}\0{stat.st_ctime_ns}\0{stat.st_ino}\n".encode())
    return state.hexdigest()
