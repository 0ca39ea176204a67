"""The storage root: where tables and models lie, and the manifests that say what is complete.

A manifest is the commit point of an asset: data are written under a name made of their content first, then
the manifest that names them is put in place by an atomic rename. A reader sees the old table or the new one,
never half of either, and a run that is killed leaves at most files that no manifest names. All that a manifest
names is on the disk, not only on its way there, before the manifest is. Who reads for longer than a moment says
so with :meth:`Storage.reading`: a newer version then comes beside the one that is read, not in its place.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fineline.resources.core.storage.files import (
    StorageError,
    content_of,
    make_writable,
    parts_digest,
    remove,
    remove_all_but,
    sync_folder,
    sync_tree,
    write_atomically,
    writing,
)

DAMAGED = "manifest.damaged.json"
# The name of a batch's folder begins so.
BATCH_FOLDER = "batch="


class NotMaterialized(StorageError):
    """An asset that does not exist yet was asked for."""


class Blocked(StorageError):
    """An asset whose blocking check failed was asked for."""


class Damaged(StorageError):
    """Stored bytes that are not those which were written."""


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

    @property
    def label(self) -> str:
        """How it is called in messages: ``raw_corpus[docs/part-1]``."""
        return f"{self.asset}[{self.batch}]" if self.batch else self.asset


class Storage:
    """One recipe's tables and models under a root folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, asset: str, batch: str | None = None) -> Path:
        """The folder of an asset; a batch has a folder of its own in it."""
        folder = self.root / "assets" / asset
        return folder / f"{BATCH_FOLDER}{quote(batch, safe='')}" if batch else folder

    @property
    def findings_cache(self) -> Path:
        """Where the scrubber remembers, by hash, what it found in which text; without it that is found anew."""
        return self.root / "cache" / "findings"

    def manifest(self, asset: str, batch: str | None = None) -> Manifest | None:
        """The manifest of an asset, or None where it is not materialized, or is but cannot be read."""
        folder = self.folder(asset, batch)
        path = folder / "manifest.json"
        content = content_of(path)
        while content is not None:
            try:
                manifest = Manifest.model_validate_json(content)
            except ValidationError:
                return None
            if all((folder / name).exists() for name in manifest.files.values()):
                return manifest
            # The files are gone; or a newer version took their place since the manifest was read.
            before, content = content, content_of(path)
            if content == before:
                return None
        return None

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

    @contextmanager
    def reading(self, assets: Iterable[str]) -> Iterator[None]:
        """Keep every file of these assets while they are read, whatever is committed meanwhile.

        To be entered before their manifests are read. It keeps nobody from committing.
        """
        with ExitStack() as held:
            for asset in sorted(set(assets)):
                fcntl.flock(held.enter_context(self._readers(asset)), fcntl.LOCK_SH)
            yield

    def commit(self, manifest: Manifest) -> None:
        """Put a manifest in place, then remove what only others named.

        Where somebody is :meth:`reading` the asset that is left for a later commit.
        """
        folder = self.folder(manifest.asset, manifest.batch)
        write_atomically(folder / "manifest.json", manifest.model_dump_json(indent=1).encode())
        self.remove_old(manifest.asset, manifest.batch)

    def remove_old(self, asset: str, batch: str | None = None) -> bool:
        """Remove what the manifest of an asset does not name; only its maker may, see ``remove_leftovers``.

        Returns False, with nothing removed, while somebody is :meth:`reading` the asset.
        """
        with self._readers(asset) as readers:
            try:
                fcntl.flock(readers, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            manifest = self.manifest(asset, batch)
            if manifest is None:
                return False
            named = {Path(name).parts[0] for name in manifest.files.values()}
            remove_all_but({"manifest.json", *named}, self.folder(asset, batch))
        return True

    def set_aside(self, manifest: Manifest) -> None:
        """Have a damaged asset count as not made, so that the next run makes it anew."""
        folder = self.folder(manifest.asset, manifest.batch)
        if self.manifest(manifest.asset, manifest.batch) == manifest:
            os.replace(folder / "manifest.json", folder / DAMAGED)
            sync_folder(folder)

    def last_stored(self, asset: str, batch: str | None = None) -> Manifest | None:
        """The manifest of what was stored last, also where files of it are gone or it was set aside as damaged.

        Raises:
            Damaged: it cannot be read.
        """
        folder = self.folder(asset, batch)
        for name in ("manifest.json", DAMAGED):
            content = content_of(folder / name)
            if content is not None:
                try:
                    return Manifest.model_validate_json(content)
                except ValidationError:
                    raise Damaged(f"{folder / name} cannot be read. Restore it from a copy, or delete it") from None
        return None

    @contextmanager
    def _readers(self, asset: str) -> Iterator[int]:
        path = self.root / "locks" / f"{asset}.readers"
        make_writable(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def commit_folder(self, manifest: Manifest, made: Path, parts: Mapping[str, str]) -> Manifest:
        """Store a folder that was made beside the asset, under a name of its content.

        ``parts`` maps roles to paths inside it; only these are stored, and the data version is their hash. What
        was left beside them, such as the rows that a worker read, goes. Files that the manifest already names are
        kept.
        """
        version = parts_digest(made, parts.values())
        for left_over in set(made.iterdir()) - {made / Path(part).parts[0] for part in parts.values()}:
            remove(left_over)
        name = f"content-{version[:16]}"
        target = self.folder(manifest.asset) / name
        if target.exists() and not (
            all((target / part).exists() for part in parts.values()) and parts_digest(target, parts.values()) == version
        ):
            os.replace(target, target.with_name(f".damaged.{uuid.uuid4().hex}"))
        if not target.exists():
            with writing(target.parent):
                sync_tree(made)
                os.replace(made, target)
                sync_folder(target.parent)
        files = {role: (Path(name) / part).as_posix() for role, part in parts.items()}
        complete = manifest.model_copy(update={"files": manifest.files | files, "data_version": version[:16]})
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
            with writing(parent):
                yield folder
        finally:
            if folder.exists():
                shutil.rmtree(folder)


def batch_of(folder: Path) -> str | None:
    """The batch whose folder this is; None for an asset's own folder."""
    return unquote(folder.name.removeprefix(BATCH_FOLDER)) if folder.name.startswith(BATCH_FOLDER) else None


def changed_inputs(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Names of inputs that were added, removed, or have another version."""
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
