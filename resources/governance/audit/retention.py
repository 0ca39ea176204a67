"""Retention: files that the policy does not keep and that no stored asset, release or audit needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from fineline.data_contracts import catalog
from fineline.resources.core.recipe.operations import Retention
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.inventory import Inventory
from fineline.resources.core.storage.root import Root
from fineline.resources.core.storage.store import Damaged, Storage
from fineline.resources.governance.audit.evidence import Evidence

# A file that is being written, or read in an older version, is younger than this.
UNFINISHED = timedelta(days=1)


@dataclass(frozen=True)
class Removal:
    """Something to remove: its kind (checkpoints, batch, leftover), its place, its asset, and its size in bytes."""

    kind: str
    root: Root
    key: str
    asset: str
    size: int


@dataclass(frozen=True)
class _Found:
    """A file or folder: when its newest file was written, and its size in bytes."""

    root: Root
    key: str
    modified: datetime
    size: int

    def removal(self, kind: str, asset: str) -> Removal:
        return Removal(kind, self.root, self.key, asset, self.size)


def removable(storage: Storage, section: Retention, offered: Collection[str], now: datetime) -> list[Removal]:
    """Everything that the policy does not keep. ``offered`` are the batches that the sources offer now.

    That is: checkpoints of unfinished trainings, except the newest of each model; per-batch tables of a batch that has
    long been gone and that no stored asset was made from; files older than a day that no manifest names. Files that a
    manifest set aside as damaged names stay, since the history of the splits can be restored from nothing else, and so
    does a folder whose manifest cannot be parsed. A folder without a manifest is kept as long as runs are.
    """
    return [
        *_checkpoints(storage, section.checkpoints),
        *_gone_batches(storage, offered, section.batches_days, now),
        *_leftovers(storage, timedelta(days=section.runs_days), now),
    ]


def remove(storage: Storage, removals: Collection[Removal]) -> tuple[list[Removal], list[Removal]]:
    """Remove them, each under its asset's lock. Returns what was removed, and what a run at work kept busy."""
    removed: list[Removal] = []
    busy: list[Removal] = []
    for asset in dict.fromkeys(each.asset for each in removals):
        mine = [each for each in removals if each.asset == asset]
        with storage.root.lock(asset, wait=False) as free:
            for each in mine if free else []:
                each.root.delete(each.key)
            (removed if free else busy).extend(mine)
    return removed, busy


def _checkpoints(storage: Storage, kept: int) -> Iterator[Removal]:
    trainings: dict[str, list[_Found]] = {}
    for name in storage.local.names(layout.CHECKPOINTS):
        if found := _find(storage.local, f"{layout.CHECKPOINTS}/{name}"):
            trainings.setdefault(name.rpartition("-")[0], []).append(found)
    for asset, folders in sorted(trainings.items()):
        for folder in sorted(folders, key=lambda each: each.modified, reverse=True)[kept:]:
            yield folder.removal("checkpoints", asset)


def _gone_batches(storage: Storage, offered: Collection[str], days: int | None, now: datetime) -> Iterator[Removal]:
    if days is None:
        return
    needed = {
        name
        for manifest in Evidence(storage).manifests.values()
        if manifest.batch is None or manifest.batch in offered
        for name in manifest.inputs
    }
    for asset in sorted(each.name for each in catalog.ASSETS if each.per_batch):
        for each in Inventory(storage).partitions(asset):
            if each.batch is None or each.batch in offered or each.label in needed:
                continue
            found = _find(storage.root, layout.folder(asset, each.batch))
            if found and now - found.modified > timedelta(days=days):
                yield found.removal("batch", asset)


def _leftovers(storage: Storage, kept: timedelta, now: datetime) -> Iterator[Removal]:
    for each in Inventory(storage).partitions():
        folder = layout.folder(each.asset, each.batch)
        try:
            manifest = storage.last_stored(each.asset, each.batch)
        except Damaged:
            continue
        stands = layout.MANIFEST if storage.root.exists(layout.manifest(each.asset, each.batch)) else layout.DAMAGED
        named = {stands, *manifest.contents} if manifest else set()
        for name in storage.root.names(folder):
            if name in named or layout.batch_of(name):
                continue
            found = _find(storage.root, f"{folder}/{name}")
            age = UNFINISHED if manifest or layout.is_unfinished(name) else kept
            if found and now - found.modified > age:
                yield found.removal("leftover", each.asset)


def _find(root: Root, key: str) -> _Found | None:
    """A file, or a folder with everything below it; None for a folder without files, or if it is gone."""
    entries = [*root.list(key)]
    if not entries:
        return None
    return _Found(root, key, max(entry.modified for entry in entries), sum(entry.size for entry in entries))
