"""What is stored, as an audit reads it: from the bytes themselves, trusting no manifest more than its files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl
from pydantic import ValidationError

from fineline.data_contracts import catalog
from fineline.resources.core.storage.files import file_digest, folder_digest, joint_digest
from fineline.resources.core.storage.store import Manifest, Storage
from fineline.resources.planning.inputs import GOVERNED, label

_CONTENT = "content-"
_HASH = re.compile(r"-([0-9a-f]{16})$")
SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """How much was looked at for a promise, how much of it breaks it, and what in words, without personal data."""

    checked: int
    failures: int
    detail: str


class NotCheckable(Exception):
    """What a promise is about is damaged, or behind what it is made from; the message says which."""


class NothingThere(Exception):
    """What a promise is about was not made yet, or the recipe does not ask for it; the message says what."""


class Evidence:
    """Everything that the manifests under a storage root name. ``damaged`` is known once ``check_files`` ran.

    ``code_versions`` are today's, by asset; one that is not named is taken to be made by today's code and recipe.
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
            elif manifest.asset not in GOVERNED:
                self.manifests[label(manifest.asset, manifest.batch)] = manifest

    def check_files(self) -> int:
        """Hold each file and folder against the hash in its name; fills ``damaged``, returns how many there are.

        A file is named by its role and 16 digits of the SHA-256 of its bytes, a model's folder by those of its parts.
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
        """The data version that the stored bytes have; None for what is neither a table nor a folder."""
        if any(file.startswith(_CONTENT) for file in manifest.files.values()):
            return self._version(manifest)
        if {"data", "drops"} <= manifest.files.keys():
            digests = [self._digest(self.storage.file(manifest, role)) for role in ("data", "drops")]
            return joint_digest(*digests)[:16]
        return None

    def usable(self, asset: str, batch: str | None = None) -> Manifest:
        """The manifest of an asset whose files are whole. Raises NotCheckable, NothingThere."""
        name = label(asset, batch)
        manifest = self.manifests.get(name)
        if manifest is None:
            raise NothingThere(f"{name} is not made")
        if name in self.damaged:
            raise NotCheckable(f"{name} is damaged")
        return manifest

    def current(self, asset: str) -> Manifest:
        """The same of an asset that today's code and recipe made from what is stored. Raises as ``usable``."""
        manifest = self.usable(asset)
        self._require_todays(manifest)
        if behind := self.behind(manifest):
            raise NotCheckable(f"{asset} is behind {', '.join(behind[:3])}; make it again, then audit")
        return manifest

    def behind(self, manifest: Manifest) -> list[str]:
        """Inputs of which another version is stored than the asset was made from, or none.

        Models do not follow their data sets, but the decision to train.
        """
        assets = {each.asset for each in self.manifests.values()}
        stored = {name: each.data_version for name, each in self.manifests.items()}
        named = {name: version for name, version in manifest.inputs.items() if name.partition("[")[0] in assets}
        return sorted(name for name in catalog.followed(manifest.asset, named) if stored.get(name) != named[name])

    def scan(self, manifest: Manifest, role: str = "data") -> pl.LazyFrame:
        """A table of an asset, lazily."""
        return pl.scan_parquet(self.storage.file(manifest, role))

    def scan_batches(self, merged: Manifest, asset: str, role: str = "data") -> pl.LazyFrame:
        """A per-batch table, of the batches that a merged asset is made from. Raises NotCheckable, NothingThere."""
        batches = [name.partition("[")[2].removesuffix("]") for name in merged.inputs if name.startswith(f"{asset}[")]
        if not batches:
            raise NothingThere(f"{merged.asset} is made from no batch of {asset}")
        parts = [self.usable(asset, batch) for batch in sorted(batches)]
        for part in parts:
            self._require_todays(part)
        return pl.concat([self.scan(part, role) for part in parts])

    def _require_todays(self, manifest: Manifest) -> None:
        if self._code_versions.get(manifest.asset, manifest.code_version) != manifest.code_version:
            name = label(manifest.asset, manifest.batch)
            raise NotCheckable(f"the code or the recipe of {name} changed since it was made; make it again, then audit")

    def tables(self) -> Iterator[tuple[str, Manifest]]:
        """Every asset that has a table and is whole."""
        for name, manifest in self.manifests.items():
            if "data" in manifest.files and name not in self.damaged:
                yield name, manifest

    def height(self, manifest: Manifest, role: str) -> int:
        """Rows of a table, read from its file."""
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


def listed(problems: list[str]) -> str:
    """The first few of them, and how many more there are."""
    more = f" and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    return "; ".join(problems[:SHOWN]) + more


def manifests(storage: Storage) -> list[Manifest]:
    """Every manifest that can be read, those of governance too."""
    paths = sorted((storage.root / "assets").rglob("manifest.json"))
    return [manifest for path in paths if (manifest := read_manifest(path)) is not None]


def read_manifest(path: Path) -> Manifest | None:
    """A manifest, or None where there is none that can be read."""
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
