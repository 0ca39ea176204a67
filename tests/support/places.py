"""Where things are stored on the disk of a test."""

from pathlib import Path

from fineline.resources.core.storage import layout
from fineline.resources.core.storage.store import Storage


def asset_folder(storage: Storage, asset: str, batch: str | None = None) -> Path:
    """The local folder of an asset, or of one of its batches."""
    return storage.local.path(layout.folder(asset, batch))
