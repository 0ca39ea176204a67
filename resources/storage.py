"""The storage root: where tables and models lie, and the manifests that say what is complete.

A manifest is the commit point of an asset: data are written under a name made of their content first, then
the manifest that names them is put in place by an atomic rename. A reader sees the old table or the new one,
never half of either, and a run that is killed leaves at most files that no manifest names.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field


class StorageError(Exception):
    """Something about the storage root that a user can mend; the message says how."""


class NotMaterialized(StorageError):
    """An asset that does not exist yet was asked for."""


class Blocked(StorageError):
    """An asset whose blocking check failed was asked for."""


class Manifest(BaseModel):
    """What is stored of an asset (of one batch of it), and what it was made from."""

    model_config = ConfigDict(frozen=True)

    asset: str
    batch: str | None
    data_version: str
    code_version: str
    inputs: dict[str, str]
    rows: int | None = None
    rows_in: int | None = None
    dropped: int = 0
    quarantined: int = 0
    files: dict[str, str]
    failed_checks: list[str] = []
    run_id: str
    made_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    facts: dict[str, Any] = {}
    flags: list[str] = []


class Storage:
    """One recipe's tables and models under a root folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, asset: str, batch: str | None = None) -> Path:
        """The folder of an asset; a batch has a folder of its own in it."""
        folder = self.root / "assets" / asset
        return folder / f"batch={quote(batch, safe='')}" if batch else folder

    @property
    def scrub_memory(self) -> Path:
        """Where the scrubber remembers, by hash, what it found in which text; without it that is found anew."""
        return self.root / "memory" / "scrub"

    def manifest(self, asset: str, batch: str | None = None) -> Manifest | None:
        """The manifest of an asset, or None where it is not materialized or its files are gone."""
        folder = self.folder(asset, batch)
        path = folder / "manifest.json"
        if not path.exists():
            return None
        manifest = Manifest.model_validate_json(path.read_text(encoding="utf-8"))
        complete = all((folder / name).exists() for name in manifest.files.values())
        return manifest if complete else None

    def require(self, asset: str, batch: str | None = None) -> Manifest:
        """The manifest of an asset that another is made from.

        Raises:
            NotMaterialized: it does not exist yet.
            Blocked: one of its blocking checks failed.
        """
        manifest = self.manifest(asset, batch)
        label = f"{asset}[{batch}]" if batch else asset
        if manifest is None:
            raise NotMaterialized(f"{label} is not materialized yet; materialize it first")
        if manifest.failed_checks:
            failed = ", ".join(manifest.failed_checks)
            raise Blocked(f"{label} failed its check {failed}; see the check in the UI, mend the cause, run again")
        return manifest

    def file(self, manifest: Manifest, role: str) -> Path:
        """The path of one of a manifest's files or folders, by its role (data, drops, model, …)."""
        return self.folder(manifest.asset, manifest.batch) / manifest.files[role]

    def commit(self, manifest: Manifest) -> None:
        """Put a manifest in place, then remove what only the one before it named."""
        folder = self.folder(manifest.asset, manifest.batch)
        write_atomically(folder / "manifest.json", manifest.model_dump_json(indent=1).encode())
        kept = {"manifest.json", *(Path(name).parts[0] for name in manifest.files.values())}
        for leftover in folder.iterdir():
            if leftover.name in kept or leftover.name.startswith("batch="):
                continue
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()

    def commit_folder(self, manifest: Manifest, made: Path, parts: Mapping[str, str]) -> Manifest:
        """Store a folder that was made beside the asset, under a name of its content.

        ``parts`` maps roles to paths inside it; the data version is the hash of these parts alone, so that a
        log or a timing beside them makes no difference. Files that the manifest already names are kept.
        """
        version = hashlib.sha256()
        for part in parts.values():
            inside = made / part
            version.update((folder_digest(inside) if inside.is_dir() else file_digest(inside)).encode())
        name = f"content-{version.hexdigest()[:16]}"
        target = self.folder(manifest.asset) / name
        if target.exists():
            shutil.rmtree(target)
        os.replace(made, target)
        files = {role: (Path(name) / part).as_posix() for role, part in parts.items()}
        complete = manifest.model_copy(
            update={"files": manifest.files | files, "data_version": version.hexdigest()[:16]}
        )
        self.commit(complete)
        return complete

    @contextmanager
    def lock(self, asset: str) -> Iterator[None]:
        """Hold an asset against every other process that would write it, waiting for its turn.

        The system lets go of it when the process ends, however that ends.
        """
        folder = self.root / "locks"
        make_writable(folder)
        with (folder / f"{asset}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def new_folder(self, asset: str) -> Iterator[Path]:
        """An empty folder beside an asset's data, gone again when the work in it fails."""
        parent = self.folder(asset)
        make_writable(parent)
        folder = Path(tempfile.mkdtemp(prefix="new-", dir=parent))
        try:
            yield folder
        finally:
            if folder.exists():
                shutil.rmtree(folder)


def make_writable(folder: Path) -> None:
    """Create a folder. Raises StorageError, saying what to do, where that is not permitted."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise StorageError(
            f"cannot create {folder}: {error.strerror}. Give a folder you may write to: FINELINE_HOME=…"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StorageError(f"no write permission in {folder}. Give another folder: FINELINE_HOME=…")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, flush it to disk, and rename it into place."""
    make_writable(path.parent)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of all files of a folder, in hex."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        total.update(f"{path.relative_to(folder).as_posix()}\0{file_digest(path)}\n".encode())
    return total.hexdigest()


def changed_inputs(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Names of inputs that were added, removed, or have another version."""
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
