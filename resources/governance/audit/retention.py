"""Retention: files that the policy does not keep and that no stored asset, release or audit needs."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from fineline.data_contracts import catalog
from fineline.data_contracts.catalog import Partition
from fineline.resources.core.recipe.operations import Retention
from fineline.resources.core.storage.files import make_writable
from fineline.resources.core.storage.store import DAMAGED, Damaged, Storage, batch_of
from fineline.resources.governance.audit.evidence import Evidence

# A file that is being written, or read in an older version, is younger than this.
UNFINISHED = timedelta(days=1)
_TEMPORARY = (".", "new-")


@dataclass(frozen=True)
class Removal:
    """Something to remove: its kind (checkpoints, batch, leftover), its path, its asset, and its size in bytes."""

    kind: str
    path: Path
    asset: str
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
    """Remove them, each under its asset's lock. Returns what was removed, and what a run at work kept busy."""
    removed: list[Removal] = []
    busy: list[Removal] = []
    for asset in dict.fromkeys(each.asset for each in removals):
        mine = [each for each in removals if each.asset == asset]
        with _lock_of(storage, asset) as free:
            for each in mine if free else []:
                if each.path.is_dir():
                    shutil.rmtree(each.path)
                else:
                    each.path.unlink(missing_ok=True)
            (removed if free else busy).extend(mine)
    return removed, busy


def _checkpoints(storage: Storage, kept: int) -> Iterator[Removal]:
    trainings: dict[str, list[Path]] = {}
    for folder in (storage.root / "checkpoints").glob("*-*"):
        trainings.setdefault(folder.name.rpartition("-")[0], []).append(folder)
    for asset, folders in sorted(trainings.items()):
        for folder in sorted(folders, key=_changed, reverse=True)[kept:]:
            yield Removal("checkpoints", folder, asset, _size(folder))


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
        for folder in sorted(storage.folder(asset).glob("batch=*")):
            batch = str(batch_of(folder))
            if (
                batch not in offered
                and Partition(asset, batch).label not in needed
                and _age(folder, now) > timedelta(days=days)
            ):
                yield Removal("batch", folder, asset, _size(folder))


def _leftovers(storage: Storage, kept: timedelta, now: datetime) -> Iterator[Removal]:
    assets = storage.root / "assets"
    for folder in sorted([*assets.glob("*"), *assets.glob("*/batch=*")]):
        asset = folder.relative_to(assets).parts[0]
        try:
            manifest = storage.last_stored(asset, batch_of(folder))
        except Damaged:
            continue
        stands = "manifest.json" if (folder / "manifest.json").exists() else DAMAGED
        named = {Path(name).parts[0] for name in (stands, *manifest.files.values())} if manifest else set()
        for leftover in sorted(folder.iterdir()):
            if leftover.name in named or leftover.name.startswith("batch="):
                continue
            unfinished = manifest is not None or leftover.name.startswith(_TEMPORARY)
            if _age(leftover, now) > (UNFINISHED if unfinished else kept):
                yield Removal("leftover", leftover, asset, _size(leftover))


@contextmanager
def _lock_of(storage: Storage, asset: str) -> Iterator[bool]:
    """Hold an asset's lock and yield True; yield False, without waiting, if a run holds it."""
    folder = storage.root / "locks"
    make_writable(folder)
    with (folder / f"{asset}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _files(path: Path) -> list[os.stat_result]:
    below = path.rglob("*") if path.is_dir() else iter(())
    return [each.stat() for each in (path, *below)]


def _changed(path: Path) -> float:
    """When its newest file was written, in seconds since 1970."""
    return max(stat.st_mtime for stat in _files(path))


def _age(path: Path, now: datetime) -> timedelta:
    return timedelta(seconds=now.timestamp() - _changed(path))


def _size(path: Path) -> int:
    return sum(stat.st_size for stat in _files(path))
