"""A read-only view of the storage root for audits. Every fact is recomputed from file contents."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import polars as pl
from pydantic import ValidationError

from fineline.data_contracts import catalog
from fineline.data_contracts.catalog import Partition
from fineline.resources.core.presentation.tables import first_few
from fineline.resources.core.storage.files import file_digest, folder_digest, joint_digest
from fineline.resources.core.storage.store import Manifest, Storage

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
    are by label, ``unreadable`` the folders whose manifest cannot be parsed, and ``damaged`` the wrong files by label,
    filled by ``check_files``.
    """

    def __init__(self, storage: Storage, code_versions: Mapping[str, str] | None = None) -> None:
        self.storage = storage
        self._code_versions = code_versions or {}
        self.manifests: dict[str, Manifest] = {}
        self.unreadable: list[str] = []
        self.damaged: dict[str, list[str]] = {}
        for path in sorted((storage.root / "assets").rglob("manifest.json")):
            manifest = read_manifest(path)
            if manifest is None:
                self.unreadable.append(path.parent.relative_to(storage.root / "assets").as_posix())
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
            for role, file in manifest.files.items():
                path = self.storage.file(manifest, role)
                named = _HASH.search(path.stem)
                checked += 1
                if not path.exists():
                    wrong.append(f"{file} is missing")
                elif named is not None and path.is_file() and not self._digest(path).startswith(named[1]):
                    wrong.append(f"{file} was changed")
            folders = {Path(file).parts[0] for file in manifest.files.values() if file.startswith(_CONTENT)}
            if not wrong:
                wrong += [f"{each} was changed" for each in folders if each != f"{_CONTENT}{self._version(manifest)}"]
            if wrong:
                self.damaged[name] = sorted(wrong)
        return checked

    def data_version(self, manifest: Manifest) -> str | None:
        """The data version computed from the stored bytes; None if the asset is neither a table nor a folder."""
        if any(file.startswith(_CONTENT) for file in manifest.files.values()):
            return self._version(manifest)
        if {"data", "drops"} <= manifest.files.keys():
            digests = [self._digest(self.storage.file(manifest, role)) for role in ("data", "drops")]
            return joint_digest(*digests)[:16]
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

    def scan(self, manifest: Manifest, role: str = "data") -> pl.LazyFrame:
        """A table of an asset, lazily."""
        return pl.scan_parquet(self.storage.file(manifest, role))

    def scan_batches(self, merged: Manifest, asset: str, role: str = "data") -> pl.LazyFrame:
        """A per-batch table, lazily, with the batches that a merged asset was made from.

        Raises:
            NotCheckable, NothingThere: one of the batches cannot be used, or there is none.
        """
        inputs = [Partition.parse(name) for name in sorted(merged.inputs)]
        parts = [self.usable(asset, each.batch) for each in inputs if each.asset == asset]
        if not parts:
            raise NothingThere(f"{merged.asset} is made from no batch of {asset}")
        for part in parts:
            self._require_current_code(part)
        return pl.concat([self.scan(part, role) for part in parts])

    def _require_current_code(self, manifest: Manifest) -> None:
        if self._code_versions.get(manifest.asset, manifest.code_version) != manifest.code_version:
            raise NotCheckable(
                f"the code or the recipe of {manifest.label} changed since it was made; make it again, then audit"
            )

    def tables(self) -> Iterator[tuple[str, Manifest]]:
        """The label and manifest of each undamaged asset that has a table."""
        for name, manifest in self.manifests.items():
            if "data" in manifest.files and name not in self.damaged:
                yield name, manifest

    def height(self, manifest: Manifest, role: str) -> int:
        """The number of rows of a table, read from its file."""
        return int(self.scan(manifest, role).select(pl.len()).collect().item())

    def _version(self, manifest: Manifest) -> str:
        version = hashlib.sha256()
        for role, file in manifest.files.items():
            if file.startswith(_CONTENT):
                version.update(self._digest(self.storage.file(manifest, role)).encode())
        return version.hexdigest()[:16]

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = folder_digest(path) if path.is_dir() else file_digest(path)
        return self._digests[path]

    @cached_property
    def _digests(self) -> dict[Path, str]:
        return {}


def manifests(storage: Storage) -> list[Manifest]:
    """Every manifest that can be parsed, with those of governance assets."""
    paths = sorted((storage.root / "assets").rglob("manifest.json"))
    return [manifest for path in paths if (manifest := read_manifest(path)) is not None]


def read_manifest(path: Path) -> Manifest | None:
    """A manifest, or None if there is none or it cannot be parsed."""
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
