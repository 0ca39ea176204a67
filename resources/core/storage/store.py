"""Tables and models under a storage root, and the manifests that make them count.

A manifest is the commit point of an asset: data are stored under a name made of their content first, then the manifest
that names them is put in place in one step. A reader finds the old table or the new one, never half of either, and a
run that is killed leaves at most files that no manifest names. Everything that a manifest names is on the disk before
the manifest is. Whoever reads for longer than a moment does so within :meth:`Storage.reading`: a newer version is then
stored beside the one that is read, not in its place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath

import polars as pl

from fineline.data_contracts.catalog import Partition
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.disk import DiskRoot
from fineline.resources.core.storage.files import StorageError, joint_digest, remove
from fineline.resources.core.storage.manifest import Manifest, Place
from fineline.resources.core.storage.root import Conflict, Root


class NotMaterialized(StorageError):
    """An asset was asked for that does not exist yet."""


class Blocked(StorageError):
    """An asset was asked for whose blocking check failed."""


class Damaged(StorageError):
    """Stored bytes are not those that were written."""


class Storage:
    """The tables and models of one recipe.

    ``local`` is a folder of this machine, for what always stays on it; all else is under ``root``, by default the same
    folder.
    """

    def __init__(self, local: Path, root: Root | None = None) -> None:
        self.local = DiskRoot(local)
        self.root: Root = self.local if root is None else root

    @property
    def roots(self) -> list[Root]:
        """Every place in which something of the recipe is stored."""
        return [self.root] if self.root is self.local else [self.root, self.local]

    def manifest(self, asset: str, batch: str | None = None) -> Manifest | None:
        """The manifest of an asset; None where it is not materialized, or cannot be read."""
        key = layout.manifest(asset, batch)
        found = self.root.get(key)
        while found is not None:
            manifest = Manifest.parsed(found.content)
            if manifest is None or self._is_complete(manifest):
                return manifest
            # Its files are gone; or a newer version took their place since the manifest was read.
            before, found = found, self.root.get(key)
            if found == before:
                return None
        return None

    def _is_complete(self, manifest: Manifest) -> bool:
        folder = layout.folder(manifest.asset, manifest.batch)
        inside = [name for name in manifest.files.values() if "/" in name]
        return manifest.contents <= {*self.root.names(folder)} and all(
            self.root.exists(f"{folder}/{name}") for name in inside
        )

    def require(self, asset: str, batch: str | None = None) -> Manifest:
        """The manifest of an asset that another is made from.

        Raises:
            NotMaterialized: it does not exist yet.
            Blocked: one of its blocking checks failed.
        """
        manifest = self.manifest(asset, batch)
        label = Partition(asset, batch).label
        if manifest is None:
            raise NotMaterialized(f"{label} is not materialized yet; materialize it first")
        if manifest.failed_checks:
            failed = ", ".join(manifest.failed_checks)
            raise Blocked(f"{label} failed its check {failed}; see the check in the UI, mend the cause, run again")
        return manifest

    def last_stored(self, asset: str, batch: str | None = None) -> Manifest | None:
        """The manifest that was stored last, also where its files are gone or it was set aside as damaged.

        Raises:
            Damaged: it cannot be read.
        """
        for key in (layout.manifest(asset, batch), layout.damaged_manifest(asset, batch)):
            found = self.root.get(key)
            if found is not None:
                manifest = Manifest.parsed(found.content)
                if manifest is None:
                    raise Damaged(f"{self.root.location(key)} cannot be read. Restore it from a copy, or delete it")
                return manifest
        return None

    def key(self, manifest: Manifest, role: str) -> str:
        """The key of the one file or folder of a role."""
        (key,) = self.keys(manifest, role).values()
        return key

    def keys(self, manifest: Manifest, role: str) -> dict[str | None, str]:
        """The keys of a role's files by batch."""
        folder = layout.folder(manifest.asset, manifest.batch)
        return {batch: f"{folder}/{name}" for batch, name in manifest.named(role).items()}

    def digests(self, manifest: Manifest, roles: Iterable[str]) -> dict[Place, str]:
        """SHA-256 of the files of some roles, in hex. Raises FileNotFoundError where one is gone."""
        return {
            (role, batch): self.root.digest(key) for role in roles for batch, key in self.keys(manifest, role).items()
        }

    def file(self, manifest: Manifest, role: str) -> Path:
        """The one file or folder of a role as a path on this machine, for reading."""
        return self.root.local(self.key(manifest, role))

    def location(self, manifest: Manifest, role: str) -> str:
        """Where the files of a role are, for people: the path of the one file, or of the folder of several."""
        keys = [*self.keys(manifest, role).values()]
        return self.root.location(keys[0] if len(keys) == 1 else layout.folder(manifest.asset, manifest.batch))

    def scan(self, manifest: Manifest, role: str = "data", batches: Sequence[str] | None = None) -> pl.LazyFrame:
        """A table, lazily, in the order of its batches; of a table of all batches, only the given ``batches``.

        Collect it within :meth:`reading`, or at once.
        """
        keys = self.keys(manifest, role)
        if batches is None or role in manifest.files:
            rows = self.root.scan([*keys.values()])
            return rows if batches is None else rows.filter(pl.col("batch").is_in(list(batches)))
        wanted = [keys[batch] for batch in sorted(batches) if batch in keys]
        # Of batches without a row only the columns are known, which all files share.
        return self.root.scan(wanted) if wanted else self.root.scan([*keys.values()][:1]).head(0)

    def commit(self, manifest: Manifest) -> None:
        """Put a manifest in place, then remove the files that only others named.

        Where somebody is :meth:`reading` the asset, their removal is left to a later commit.
        """
        self.root.put(layout.manifest(manifest.asset, manifest.batch), manifest.content)
        self.remove_old(manifest.asset, manifest.batch)

    def amend(self, before: Manifest, after: Manifest) -> None:
        """Put a manifest in the place of the one that was read, and remove nothing.

        Raises:
            StorageError: another one was stored meanwhile.
        """
        key = layout.manifest(before.asset, before.batch)
        found = self.root.get(key)
        try:
            if found is None or Manifest.parsed(found.content) != before:
                raise Conflict(key)
            self.root.swap(key, after.content, found.version)
        except Conflict:
            raise StorageError(f"{before.label} was stored again meanwhile; run the same command again") from None

    def remove_old(self, asset: str, batch: str | None = None) -> bool:
        """Remove what the manifest of an asset does not name; only the holder of its lock may.

        Returns False, with nothing removed, while somebody is :meth:`reading` the asset.
        """
        with self.root.lock(layout.readers_lock(asset), wait=False) as unread:
            manifest = self.manifest(asset, batch) if unread else None
            if manifest is None:
                return False
            folder, kept = layout.folder(asset, batch), {layout.MANIFEST, *manifest.contents}
            for name in self.root.names(folder):
                if name not in kept and layout.batch_of(name) is None:
                    self.root.delete(f"{folder}/{name}")
        return True

    def remove_unfinished(self, asset: str, batch: str | None = None) -> None:
        """Remove what a killed run left half made of an asset; only the holder of its lock may."""
        folder = layout.folder(asset, batch)
        for name in filter(layout.is_unfinished, self.root.names(folder)):
            self.root.delete(f"{folder}/{name}")

    def set_aside(self, manifest: Manifest) -> None:
        """Make a damaged asset count as not made, so that the next run rebuilds it."""
        key = layout.manifest(manifest.asset, manifest.batch)
        found = self.root.get(key)
        if found is not None and Manifest.parsed(found.content) == manifest:
            self.root.put(layout.damaged_manifest(manifest.asset, manifest.batch), found.content)
            with suppress(Conflict):  # It was rebuilt meanwhile.
                self.root.delete(key, found.version)

    @contextmanager
    def reading(self, assets: Iterable[str]) -> Iterator[None]:
        """Keep every file of these assets while they are read, whatever is committed meanwhile.

        To be entered before their manifests are read. It keeps nobody from committing.
        """
        with ExitStack() as held:
            for asset in sorted(set(assets)):
                held.enter_context(self.root.lock(layout.readers_lock(asset), shared=True))
            yield

    def add(self, asset: str, batch: str | None, name: str, content: bytes) -> str:
        """Store bytes beside an asset, for a manifest to name; returns ``name`` with the hash of the content in it."""
        stem, ending = name.split(".", 1)
        stored = f"{stem}-{hashlib.sha256(content).hexdigest()[:16]}.{ending}"
        self.root.put(f"{layout.folder(asset, batch)}/{stored}", content)
        return stored

    def new_folder(self, asset: str) -> AbstractContextManager[Path]:
        """An empty local folder for the files of an asset, removed when the work in it ends or fails."""
        return self.root.workspace(layout.folder(asset))

    def commit_folder(self, manifest: Manifest, made: Path, parts: Mapping[str, str]) -> Manifest:
        """Store a folder that was made in :meth:`new_folder`, under a name of its content.

        ``parts`` maps roles to paths inside it; only these are stored, and the data version is their hash. Whatever
        else is in the folder, such as the rows that a worker read, is removed. Files that the manifest already names
        are kept.
        """
        version = parts_digest(DiskRoot(made), parts.values())
        for left_over in {*made.iterdir()} - {made / PurePosixPath(part).parts[0] for part in parts.values()}:
            remove(left_over)
        name = f"content-{version[:16]}"
        key = f"{layout.folder(manifest.asset)}/{name}"
        there = [f"{key}/{part}" for part in parts.values()]
        if not all(map(self.root.exists, there)) or parts_digest(self.root, there) != version:
            self.root.take({key: made})
        files = {role: f"{name}/{part}" for role, part in parts.items()}
        complete = manifest.model_copy(update={"files": manifest.files | files, "data_version": version[:16]})
        self.commit(complete)
        return complete


def parts_digest(root: Root, keys: Iterable[str]) -> str:
    """SHA-256 over some files and folders, in hex: the data version of a folder is that of its parts."""
    return joint_digest(*map(root.digest, keys))
