"""The stored tables as forgetting sees them: all of them, in the order in which data flow, in bounded parts."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from fineline.resources.core.storage.store import BATCH_FOLDER, Manifest, Storage, batch_of


def manifests(storage: Storage, asset: str) -> Iterator[Manifest]:
    """The manifests of an asset's complete tables, batch by batch, also of batches that no source offers any more."""
    for folder in folders(storage, asset):
        manifest = storage.manifest(asset, batch_of(folder))
        if manifest is not None:
            yield manifest


def folders(storage: Storage, asset: str) -> list[Path]:
    """The folders of an asset in which a manifest may lie."""
    folder = storage.folder(asset)
    return [folder, *sorted(folder.glob(f"{BATCH_FOLDER}*"))]


def in_order(storage: Storage) -> list[str]:
    """All assets that have a folder, each after those that it is made from."""
    assets = sorted(folder.name for folder in (storage.root / "assets").glob("*") if folder.is_dir())
    upstream = {
        asset: {name.partition("[")[0] for manifest in manifests(storage, asset) for name in manifest.inputs}
        for asset in assets
    }
    return [asset for asset in TopologicalSorter(upstream).static_order() if asset in upstream]


def parts(path: Path, columns: list[str] | None = None) -> Iterator[pl.DataFrame]:
    """The row groups of a Parquet file, of which each fits into memory."""
    start = 0
    for rows in group_sizes(path):
        part = pl.scan_parquet(path).slice(start, rows)
        yield (part if columns is None else part.select(columns)).collect()
        start += rows


def group_sizes(path: Path) -> list[int]:
    """Rows of each row group of a Parquet file."""
    metadata = pq.ParquetFile(path).metadata
    return [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
