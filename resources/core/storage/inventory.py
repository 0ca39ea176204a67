"""The inventory of a storage root: every asset, batch and manifest that is stored in it."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import TopologicalSorter

from fineline.data_contracts.catalog import Partition
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Damaged, Storage


class Inventory:
    """What a storage root holds now. It lists at each call, and keeps nothing."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def assets(self) -> list[str]:
        """The assets that have a folder, sorted."""
        return self._storage.root.names(layout.ASSETS)

    def partitions(self, asset: str | None = None) -> Iterator[Partition]:
        """Every asset that has a folder, and after it its batches, whether a manifest is in them or not."""
        for name in self.assets() if asset is None else [asset]:
            yield Partition(name)
            for found in self._storage.root.names(layout.folder(name)):
                if batch := layout.batch_of(found):
                    yield Partition(name, batch)

    def manifests(self, asset: str | None = None) -> Iterator[Manifest]:
        """The manifests of complete tables and models, also of batches that no source offers any more."""
        for each in self.partitions(asset):
            if manifest := self._storage.manifest(each.asset, each.batch):
                yield manifest

    def written(self) -> Iterator[tuple[Partition, Manifest | None]]:
        """Every manifest as it was written, whether its files are there or not; None for one that cannot be read."""
        for each in self.partitions():
            if self._storage.root.exists(layout.manifest(each.asset, each.batch)):
                try:
                    yield each, self._storage.last_stored(each.asset, each.batch)
                except Damaged:
                    yield each, None

    def in_order(self) -> list[str]:
        """The assets that have a folder, each after those that it is made from."""
        assets = self.assets()
        upstream = {
            asset: {Partition.parse(name).asset for manifest in self.manifests(asset) for name in manifest.inputs}
            for asset in assets
        }
        return [asset for asset in TopologicalSorter(upstream).static_order() if asset in upstream]
