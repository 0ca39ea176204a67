"""A read-only view of the storage root for audits. Every fact is recomputed from file contents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import polars as pl

from fineline.data_contracts import catalog
from fineline.data_contracts.catalog import Partition
from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.presentation.tables import first_few
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.redaction import FinelineError
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.integrity import is_whole
from fineline.resources.core.storage.inventory import Inventory
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Storage, parts_digest
from fineline.resources.core.storage.table_files import VERSIONED, data_version

_CONTENT = "content-"
_GOVERNANCE = frozenset(asset.name for asset in catalog.ASSETS if asset.governs)
# The first few problems, and how many more there are.
listed = partial(first_few, shown=5, separator="; ")


@dataclass(frozen=True)
class Finding:
    """How many things were checked for a promise, how many break it, and what they are, without personal data."""

    checked: int
    failures: int
    detail: str


class Unchecked(FinelineError):
    """A promise cannot be checked; the message names the data that prevent it."""

    state: ClassVar[str]


class NotCheckable(Unchecked):
    """The data of a promise are damaged or behind their inputs."""

    state = "not_checked"


class NothingThere(Unchecked):
    """The data of a promise do not exist, or the recipe does not ask for them."""

    state = "nothing_there"


class Evidence:
    """Everything that the manifests under a storage root name, and what it is measured with.

    ``code_versions`` are the current ones by asset; an asset that is not among them counts as current. ``manifests``
    are by label, ``unreadable`` the labels of those that cannot be parsed, and ``damaged`` the wrong files by label,
    filled by ``check_files``.
    """

    def __init__(self, storage: Storage, recipe: Recipe, key: PseudonymKey, code_versions: Mapping[str, str]) -> None:
        self.storage, self.recipe, self.key = storage, recipe, key
        self._code_versions = code_versions
        self.manifests: dict[str, Manifest] = {}
        self.unreadable: list[str] = []
        self.damaged: dict[str, list[str]] = {}
        for partition, manifest in Inventory(storage).written():
            if manifest is None:
                self.unreadable.append(partition.label)
            elif manifest.asset not in _GOVERNANCE:
                self.manifests[manifest.label] = manifest

    def check_files(self) -> int:
        """Compare each file and folder with the hash in its name, fill ``damaged``, and return how many there are."""
        checked = 0
        for label, manifest in self.manifests.items():
            wrong = set()
            for key in (key for role in manifest.roles for key in self.storage.keys(manifest, role).values()):
                name = key.removeprefix(f"{layout.folder(manifest.asset, manifest.batch)}/")
                checked += 1
                if not self.storage.root.exists(key):
                    wrong.add(f"{name} is missing")
                elif not is_whole(self.storage, manifest, key):
                    wrong.add(f"{name.partition('/')[0]} was changed")
            if wrong:
                self.damaged[label] = sorted(wrong)
        return checked

    def data_version(self, manifest: Manifest) -> str | None:
        """The data version computed from the stored bytes; None if the asset is neither a table nor a folder."""
        parts = [self.storage.key(manifest, role) for role, name in manifest.files.items() if name.startswith(_CONTENT)]
        if parts:
            return parts_digest(self.storage.root, parts)[:16]
        if set(VERSIONED) <= {*manifest.roles}:
            return data_version(self.storage.digests(manifest, VERSIONED))
        return None

    def usable(self, asset: str, batch: str | None = None) -> Manifest:
        """The manifest of an asset whose files are whole. Raises NotCheckable, NothingThere."""
        name = Partition(asset, batch).label
        manifest = self.manifests.get(name)
        if manifest is None:
            raise NothingThere(f"{name} is not materialized")
        if name in self.damaged:
            raise NotCheckable(f"{name} is damaged")
        return manifest

    def current(self, asset: str) -> Manifest:
        """A usable manifest that the current code and recipe made from the stored inputs. Raises as ``usable``."""
        manifest = self.usable(asset)
        self._require_current_code(manifest)
        if behind := self.behind(manifest):
            raise NotCheckable(f"{asset} is behind {first_few(behind)}; materialize it again, then audit")
        return manifest

    def behind(self, manifest: Manifest) -> list[str]:
        """The labels of inputs that are stored in another version than the asset was made from."""
        assets = {each.asset for each in self.manifests.values()}
        stored = {name: each.data_version for name, each in self.manifests.items()}
        named = {name: each for name, each in manifest.inputs.items() if Partition.parse(name).asset in assets}
        return sorted(name for name in catalog.followed(manifest.asset, named) if stored.get(name) != named[name])

    def batches(self, merged: Manifest, asset: str) -> list[str]:
        """The batches of an asset that a merged one was made from. Raises NothingThere for none."""
        inputs = map(Partition.parse, merged.inputs)
        batches = sorted(each.batch for each in inputs if each.asset == asset and each.batch is not None)
        if not batches:
            raise NothingThere(f"{merged.asset} is made from no batch of {asset}")
        return batches

    def scan_batches(self, merged: Manifest, asset: str) -> pl.LazyFrame:
        """A per-batch table, lazily, with the batches that a merged asset was made from. Raises as ``usable``."""
        return pl.concat([self.scan_batch(asset, batch) for batch in self.batches(merged, asset)])

    def scan_batch(self, asset: str, batch: str, role: str = "data") -> pl.LazyFrame:
        """The rows of one batch in a usable table, lazily. Raises as ``usable``."""
        if not catalog.entry(asset).per_batch:
            return self.storage.scan(self.usable(asset), role, [batch])
        manifest = self.usable(asset, batch)
        self._require_current_code(manifest)
        return self.storage.scan(manifest, role)

    def _require_current_code(self, manifest: Manifest) -> None:
        if self._code_versions.get(manifest.asset, manifest.code_version) != manifest.code_version:
            raise NotCheckable(
                f"the code or the recipe of {manifest.label} changed since then; materialize it again, then audit"
            )

    def tables(self) -> Iterator[tuple[str, Manifest]]:
        """The label and manifest of each undamaged asset that has a table."""
        for name, manifest in self.manifests.items():
            if "data" in manifest.roles and name not in self.damaged:
                yield name, manifest

    def height(self, manifest: Manifest, role: str) -> int:
        """The number of rows of a table, read from its file."""
        return int(self.storage.scan(manifest, role).select(pl.len()).collect().item())
