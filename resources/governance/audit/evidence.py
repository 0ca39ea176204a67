"""A read-only view of the storage root for audits. Every fact is recomputed from file contents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

import polars as pl

from fineline.data_contracts import catalog
from fineline.data_contracts.catalog import Partition
from fineline.resources.core.presentation.tables import first_few
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.inventory import Inventory
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Storage, parts_digest
from fineline.resources.core.storage.table_files import VERSIONED, data_version

_CONTENT = "content-"
_HASH = re.compile(r"-([0-9a-f]{16})$")
_GOVERNANCE = frozenset(asset.name for asset in catalog.ASSETS if asset.governs)
# The first few problems, and how many more there are.
listed = partial(first_few, shown=5, separator="; ")


@dataclass(frozen=True)
class Finding:
    """How many things were checked for a promise, how many break it, and what they are, without personal data."""

    checked: int
    failures: int
    detail: str


class NotCheckable(Exception):
    """The data of a promise are damaged or behind their inputs; the message names them."""


class NothingThere(Exception):
    """The data of a promise do not exist, or the recipe does not ask for them; the message names them."""


class Evidence:
    """Everything that the manifests under a storage root name.

    ``code_versions`` are the current ones by asset; an asset that is not among them counts as current. ``manifests``
    are by label, ``unreadable`` the labels of those that cannot be parsed, and ``damaged`` the wrong files by label,
    filled by ``check_files``.
    """

    def __init__(self, storage: Storage, code_versions: Mapping[str, str] | None = None) -> None:
        self.storage = storage
        self._code_versions = code_versions or {}
        self.manifests: dict[str, Manifest] = {}
        self.unreadable: list[str] = []
        self.damaged: dict[str, list[str]] = {}
        for partition, manifest in Inventory(storage).written():
            if manifest is None:
                self.unreadable.append(partition.label)
            elif manifest.asset not in _GOVERNANCE:
                self.manifests[manifest.label] = manifest

    def check_files(self) -> int:
        """Compare each file and folder with the hash in its name, fill ``damaged``, and return how many there are.

        The name of a file ends in 16 hex digits of the SHA-256 of its bytes, that of a model's folder in those of its
        parts.
        """
        checked = 0
        for name, manifest in self.manifests.items():
            wrong = []
            for key in (key for role in manifest.roles for key in self.storage.keys(manifest, role).values()):
                file = key.removeprefix(f"{layout.folder(manifest.asset, manifest.batch)}/")
                named = _HASH.search(PurePosixPath(file).stem)
                checked += 1
                if not self.storage.root.exists(key):
                    wrong.append(f"{file} is missing")
                elif named is not None and not self.storage.root.digest(key).startswith(named[1]):
                    wrong.append(f"{file} was changed")
            folders = {name for name in manifest.contents if name.startswith(_CONTENT)}
            if not wrong:
                wrong += [f"{each} was changed" for each in folders if each != f"{_CONTENT}{self._version(manifest)}"]
            if wrong:
                self.damaged[name] = sorted(wrong)
        return checked

    def data_version(self, manifest: Manifest) -> str | None:
        """The data version computed from the stored bytes; None if the asset is neither a table nor a folder."""
        if any(name.startswith(_CONTENT) for name in manifest.contents):
            return self._version(manifest)
        if set(VERSIONED) <= {*manifest.roles}:
            return data_version(self.storage.digests(manifest, VERSIONED))
        return None

    def usable(self, asset: str, batch: str | None = None) -> Manifest:
        """The manifest of an asset whose files are whole. Raises NotCheckable, NothingThere."""
        name = Partition(asset, batch).label
        manifest = self.manifests.get(name)
        if manifest is None:
            raise NothingThere(f"{name} is not made")
        if name in self.damaged:
            raise NotCheckable(f"{name} is damaged")
        return manifest

    def current(self, asset: str) -> Manifest:
        """The same, if the current code and recipe made the asset from its stored inputs. Raises as ``usable``."""
        manifest = self.usable(asset)
        self._require_current_code(manifest)
        if behind := self.behind(manifest):
            raise NotCheckable(f"{asset} is behind {first_few(behind)}; make it again, then audit")
        return manifest

    def behind(self, manifest: Manifest) -> list[str]:
        """The labels of inputs that are stored in another version than the asset was made from."""
        assets = {each.asset for each in self.manifests.values()}
        stored = {name: each.data_version for name, each in self.manifests.items()}
        named = {name: each for name, each in manifest.inputs.items() if Partition.parse(name).asset in assets}
        return sorted(name for name in catalog.followed(manifest.asset, named) if stored.get(name) != named[name])

    def scan(self, manifest: Manifest, role: str = "data", batches: Sequence[str] | None = None) -> pl.LazyFrame:
        """A table of an asset, lazily; of a merged table all batches, or the given ones."""
        return self.storage.scan(manifest, role, batches)

    def batches(self, merged: Manifest, asset: str) -> list[str]:
        """The batches of an asset that a merged one was made from. Raises NothingThere for none."""
        inputs = map(Partition.parse, merged.inputs)
        batches = sorted(each.batch for each in inputs if each.asset == asset and each.batch is not None)
        if not batches:
            raise NothingThere(f"{merged.asset} is made from no batch of {asset}")
        return batches

    def scan_batches(self, merged: Manifest, asset: str, role: str = "data") -> pl.LazyFrame:
        """A per-batch table, lazily, with the batches that a merged asset was made from.

        Raises:
            NotCheckable, NothingThere: one of the batches cannot be used, or there is none.
        """
        return pl.concat([self.scan_asset(asset, role, batch) for batch in self.batches(merged, asset)])

    def scan_asset(self, asset: str, role: str, batch: str | None) -> pl.LazyFrame:
        """A usable table, lazily: one batch, or all of a merged asset for None. Raises NotCheckable, NothingThere."""
        if not catalog.entry(asset).per_batch:
            return self.scan(self.usable(asset), role, None if batch is None else [batch])
        manifest = self.usable(asset, batch)
        self._require_current_code(manifest)
        return self.scan(manifest, role)

    def _require_current_code(self, manifest: Manifest) -> None:
        if self._code_versions.get(manifest.asset, manifest.code_version) != manifest.code_version:
            raise NotCheckable(
                f"the code or the recipe of {manifest.label} changed since it was made; make it again, then audit"
            )

    def tables(self) -> Iterator[tuple[str, Manifest]]:
        """The label and manifest of each undamaged asset that has a table."""
        for name, manifest in self.manifests.items():
            if "data" in manifest.roles and name not in self.damaged:
                yield name, manifest

    def height(self, manifest: Manifest, role: str) -> int:
        """The number of rows of a table, read from its file."""
        return int(self.scan(manifest, role).select(pl.len()).collect().item())

    def _version(self, manifest: Manifest) -> str:
        parts = [self.storage.key(manifest, role) for role, name in manifest.files.items() if name.startswith(_CONTENT)]
        return parts_digest(self.storage.root, parts)[:16]
