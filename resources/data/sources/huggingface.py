"""Datasets of the Hugging Face hub, or local folders that ``datasets`` can load."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from fineline.resources.core.recipe.sources import HuggingFace
from fineline.resources.data.formats.rows import PassingError, RawRow, Row, SourceError
from fineline.resources.data.formats.tables import BATCH_ROWS, table_rows
from fineline.resources.data.shapes.content import BatchRows
from fineline.resources.data.shapes.fitting import fit_rows
from fineline.resources.data.sources.batch import Batch, Bound, CommitPlace
from fineline.resources.data.sources.connector import Connector, Offer
from fineline.resources.data.sources.environment import is_of_the_environment

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

HUB_SECONDS = 5.0
# What `save_to_disk` leaves beside the data.
SAVED_DATASET, SAVED_SPLITS = "state.json", "dataset_dict.json"


class HuggingFaceConnector(Connector[HuggingFace]):
    """A split of a dataset: as a whole, or each new commit of a branch as a batch of its own."""

    reads_files = True

    def batches(self, source: HuggingFace) -> list[Batch]:
        """One batch, the split. The hub is not asked: its content is what the recipe gives.

        The content of a local folder includes the names, sizes and times of change of its files. Raises SourceError
        also where a dataset of the hub has no revision, so that it could change unseen.
        """
        files = _files(source)
        if Path(source.id).is_dir() and not files:
            raise SourceError(f"{source.name}: the folder {source.id} is empty.")
        if not files and source.id.startswith((".", "/", "~")):
            raise SourceError(f"{source.name}: there is no folder {source.id}. Correct the id in the recipe.")
        if not files and source.revision is None:
            raise SourceError(
                f"{source.name}: give the revision of {source.id}, so that what is trained on can be read again: the "
                f"newest commit of https://huggingface.co/datasets/{source.id}/commits/main, as revision in the recipe;"
                " or write follow: main, which takes each new commit as a new batch."
            )
        parts = [source.id, source.config, source.split, source.revision, files]
        return [Batch(source.split, hashlib.sha256(json.dumps(parts).encode()).hexdigest())]

    def offer(self, source: HuggingFace, mark: Bound | None) -> Offer:
        """The newest commit of the branch that the source follows, or the split as a whole."""
        if source.follow is None:
            return Offer(self.batches(source))
        commit = _newest_commit(source)
        return Offer([Batch(f"{source.split}@{commit[:12]}", commit, CommitPlace(commit))], adds=True)

    def origin(self, source: HuggingFace) -> list[str | None]:
        """Commits of another dataset or branch are other batches."""
        return [source.id, source.config, source.split, source.follow] if source.follow is not None else []

    def read(self, source: HuggingFace, key: str, batch: Batch) -> Iterator[BatchRows]:
        """The rows of the split, as they are streamed. Raises SourceError where the dataset cannot be loaded."""
        _files(source)
        commit = {"revision": batch.place.revision} if isinstance(batch.place, CommitPlace) else {}
        source = source.model_copy(update=commit)
        return fit_rows(key, _rows(source), source)


def _newest_commit(source: HuggingFace) -> str:
    from httpx2 import HTTPError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if Path(source.id).is_dir():
        raise SourceError(f"{source.name}: {source.id} is a local folder, without a branch to follow; remove follow.")
    try:
        found = HfApi().dataset_info(source.id, revision=source.follow, timeout=HUB_SECONDS)
    except OfflineModeIsEnabled:
        raise SourceError(
            f"{source.name}: the hub is not asked for new commits of {source.id}, because HF_HUB_OFFLINE is set. Set "
            "it to 0 where this machine may go online."
        ) from None
    except HfHubHTTPError as error:
        raise SourceError(
            f"{source.name}: the hub does not give the branch {source.follow} of {source.id} "
            f"({error.response.status_code}). Check id and follow, and whether HF_TOKEN may read it."
        ) from None
    except (HTTPError, OSError) as error:
        raise SourceError(f"{source.name}: the hub cannot be reached ({type(error).__name__}).") from None
    return str(found.sha)


def _rows(source: HuggingFace) -> Iterator[Row | RawRow]:
    from datasets.exceptions import DatasetGenerationError

    try:
        loaded = _load(source)
    except (OSError, ValueError, ImportError) as error:
        # Of the hub nothing was read yet: it is the connection, the token or the recipe.
        is_passing = not Path(source.id).is_dir() or is_of_the_environment(error)
        raise (PassingError if is_passing else SourceError)(
            f"{source.name}: the dataset {source.id} could not be loaded: {error}\n"
            "  Check id, config, split and revision. If this machine may go online, set HF_HUB_OFFLINE=0; "
            "otherwise give the path of a local folder as id."
        ) from error
    try:
        # As Arrow tables, images and audio stay bytes; one by one, `datasets` would decode each.
        tables = loaded.with_format("arrow").iter(batch_size=BATCH_ROWS)
        batches = (batch for table in tables for batch in table.to_batches())
        yield from table_rows(batches, source.name, allowed=math.inf)
    except (DatasetGenerationError, pa.ArrowException, OSError, ValueError) as error:
        # The cause is cut off: it quotes the row or the columns that could not be read.
        raise (PassingError if is_of_the_environment(error) else SourceError)(
            f"{source.name}: `datasets` cannot read the files of {source.id} as one table ({type(error).__name__}). "
            "For files that are partly broken, use a source of kind files, which sets the broken rows apart."
        ) from None


def _load(source: HuggingFace) -> Dataset | IterableDataset:
    from datasets import DatasetDict, load_dataset, load_from_disk

    folder = Path(source.id)
    if (folder / SAVED_DATASET).is_file():
        return load_from_disk(str(folder))
    if (folder / SAVED_SPLITS).is_file():
        splits: DatasetDict = load_from_disk(str(folder))
        if source.split not in splits:
            raise ValueError(f'Unknown split "{source.split}". There are {", ".join(splits)}.')
        return splits[source.split]
    return load_dataset(source.id, name=source.config, split=source.split, revision=source.revision, streaming=True)


def _files(source: HuggingFace) -> list[tuple[str, int, int]]:
    """Names, sizes and times of change of the files of a local folder.

    Raises SourceError for a link out of the folder, which `datasets` would follow.
    """
    folder = Path(source.id)
    found = sorted(folder.rglob("*"))
    for path in found:
        if path.is_symlink() and _leads_out(path, folder):
            raise SourceError(
                f"{source.name}: a link leads out of {source.id} (find {source.id} -type l), which is not followed. "
                "Put the file itself in its place: cp -rL copies a folder so."
            )
    files = [path for path in found if path.is_file()]
    return [(str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]


def _leads_out(link: Path, folder: Path) -> bool:
    """Whether a link leads out of a folder, or to itself."""
    found = os.path.realpath(link)
    return os.path.islink(found) or not Path(found).is_relative_to(os.path.realpath(folder))
