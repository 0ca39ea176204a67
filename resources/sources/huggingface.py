"""Datasets of the Hugging Face hub, or local folders that ``datasets`` can load."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from fineline.resources.recipe_data import HuggingFace
from fineline.resources.sources.batches import Batch, BatchRows, SourceError
from fineline.resources.sources.files import batch_key
from fineline.resources.sources.fitting import fit_rows
from fineline.resources.sources.formats import frame_rows

if TYPE_CHECKING:
    from datasets import Dataset


def batches(source: HuggingFace) -> list[Batch]:
    """One batch, the split. The hub is not asked: its fingerprint is what the recipe gives.

    Of a local folder, the names, sizes and times of change of its files count as well.

    Raises:
        SourceError: the id is a path, and there is no folder at it, or it is empty.
    """
    folder = Path(source.id)
    if not folder.is_dir() and source.id.startswith((".", "/", "~")):
        raise SourceError(f"{source.name}: there is no folder {source.id}. Correct the id in the recipe.")
    files = _files(folder) if folder.is_dir() else []
    if folder.is_dir() and not files:
        raise SourceError(f"{source.name}: the folder {source.id} is empty.")
    parts = [source.id, source.config, source.split, source.revision, files]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return [Batch(batch_key(source.name, source.split), digest)]


def read(source: HuggingFace, key: str) -> BatchRows:
    """The rows of the split. Raises SourceError where the data set cannot be loaded."""
    rows = _load(source)
    taken = rows.select(range(min(source.limit or len(rows), len(rows))))
    # As a frame, images and audio stay bytes; one by one, `datasets` would decode each.
    return fit_rows(key, frame_rows(taken.to_polars(), key), source.licence, None, source.columns)


def _load(source: HuggingFace) -> Dataset:
    from datasets import load_dataset
    from datasets.exceptions import DatasetGenerationError

    try:
        return load_dataset(source.id, name=source.config, split=source.split, revision=source.revision)
    except DatasetGenerationError:
        # The cause is cut off: it quotes the row that could not be read.
        raise SourceError(
            f"{source.name}: `datasets` cannot read the files of {source.id} as one table. "
            "For files that are partly broken, use a source of kind files, which sets the broken rows apart."
        ) from None
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{source.name}: the data set {source.id} could not be loaded: {error}\n"
            "  Check id, config, split and revision. If this machine may go online, set HF_HUB_OFFLINE=0; "
            "otherwise give the path of a local folder as id."
        ) from error


def _files(folder: Path) -> list[tuple[str, int, int]]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in found]
