"""Pruning: removes the files that the policy does not keep and that no stored asset, release or audit needs."""

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

# A file that is being written is younger than this.
UNFINISHED = timedelta(days=1)


@dataclass(frozen=True)
class Removal:
    """A file or folder to remove: its kind (checkpoints, batch, leftover), its place, and its asset.

    ``modified`` is when its newest file was written, ``size`` in bytes.
    """

    kind: str
    root: Root
    key: str
    asset: str
    modified: datetime
    size: int


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
    """Remove them, each under its asset's locks. Returns what was removed, and what a run or a reader kept busy."""
    removed: list[Removal] = []
    busy: list[Removal] = []
    for asset in dict.fromkeys(each.asset for each in removals):
        mine = [each for each in removals if each.asset == asset]
        lock, readers = storage.root.lock, layout.readers_lock(asset)
        with lock(asset, wait=False) as no_writer, lock(readers, wait=False) as no_reader:
            free = no_writer and no_reader
            for each in mine if free else []:
                each.root.delete(each.key)
            (removed if free else busy).extend(mine)
    return removed, busy


def _checkpoints(storage: Storage, kept: int) -> Iterator[Removal]:
    trainings: dict[str, list[Removal]] = {}
    for name in storage.local.names(layout.CHECKPOINTS):
        asset = name.rpartition("-")[0]
        if found := _find("checkpoints", storage.local, f"{layout.CHECKPOINTS}/{name}", asset):
            trainings.setdefault(asset, []).append(found)
    for _, folders in sorted(trainings.items()):
        yield from sorted(folders, key=lambda each: each.modified, reverse=True)[kept:]


def _gone_batches(storage: Storage, offered: Collection[str], days: int | None, now: datetime) -> Iterator[Removal]:
    if days is None:
        return
    needed = {
        name
        for _, manifest in Inventory(storage).written()
        if manifest and (manifest.batch is None or manifest.batch in offered)
        for name in manifest.inputs
    }
    for asset in sorted(each.name for each in catalog.ASSETS if each.per_batch):
        for each in Inventory(storage).partitions(asset):
            if each.batch is None or each.batch in offered or each.label in needed:
                continue
            found = _find("batch", storage.root, layout.folder(asset, each.batch), asset)
            if found and now - found.modified > timedelta(days=days):
                yield found


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
            found = _find("leftover", storage.root, f"{folder}/{name}", each.asset)
            age = UNFINISHED if manifest or layout.is_unfinished(name) else kept
            if found and now - found.modified > age:
                yield found


def _find(kind: str, root: Root, key: str, asset: str) -> Removal | None:
    """A file, or a folder with everything below it; None for a folder without files, or if it is gone."""
    entries = [*root.list(key)]
    if not entries:
        return None
    newest, size = max(entry.modified for entry in entries), sum(entry.size for entry in entries)
    return Removal(kind, root, key, asset, newest, size)
