"""Which records each model saw, itself or as the model that it was trained from, and which of them are forgotten.

The list lies beside the weights and is no part of their version: what a model saw can be marked without making
it anew. While a model is trained, the list of what it sees lies with its checkpoints.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from fineline.resources.core.storage import layout
from fineline.resources.core.storage.files import write_atomically
from fineline.resources.core.storage.inventory import Inventory
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.root import Root
from fineline.resources.core.storage.store import Storage

ROLE = "seen"
LOCK = layout.SEEN_LOCK
_KEY = ["record_id", "dataset"]
_ROW_GROUP = 100_000
_REGISTRY = pl.Schema(
    {
        "model": pl.String(),
        "data_version": pl.String(),
        "made_at": pl.Datetime("us", "UTC"),
        "run": pl.String(),
        "records_trained_on": pl.UInt32(),
        "flags": pl.List(pl.String()),
    }
)


@dataclass(frozen=True)
class Sighting:
    """How many of the records asked for a model saw; ``data_version`` is None for one still in training."""

    asset: str
    data_version: str | None
    records: int


@dataclass(frozen=True)
class SeenList:
    """Where a list is stored; ``manifest`` is that of its model, None while the model is still in training."""

    asset: str
    root: Root
    key: str
    manifest: Manifest | None

    @property
    def path(self) -> Path:
        """The list as a path on this machine. Raises FileNotFoundError once it is gone."""
        return self.root.local(self.key)

    @property
    def data_version(self) -> str | None:
        """The version of the model; None while it is in training."""
        return None if self.manifest is None else self.manifest.data_version


def lists(storage: Storage) -> Iterator[SeenList]:
    """The lists of all stored models and releases, and of trainings that have not ended."""
    for manifest in _models(storage):
        yield SeenList(manifest.asset, storage.at, storage.key(manifest, ROLE), manifest)
    for training in storage.local.names(layout.CHECKPOINTS):
        folder = f"{layout.CHECKPOINTS}/{training}"
        if storage.local.exists(f"{folder}/{layout.SEEN_IN_TRAINING}"):
            yield SeenList(folder, storage.local, f"{folder}/{layout.SEEN_IN_TRAINING}", None)


def read(storage: Storage, asset: str) -> pl.DataFrame:
    """What a stored model saw; no rows for one that is not stored, or was trained elsewhere as the base model was."""
    manifest = storage.manifest(asset)
    if manifest is None or ROLE not in manifest.files:
        return pl.DataFrame(schema=_schema())
    return storage.scan(manifest, ROLE).collect()


def write(storage: Storage, asset: str, seen: pl.DataFrame) -> str:
    """Store a list in the asset's folder under a name of its content, which it returns for the manifest."""
    return storage.add(asset, None, f"{ROLE}.parquet", _bytes(seen))


def begin(storage: Storage, checkpoints: Path, dataset: str, before: str) -> None:
    """Store with a training's checkpoints what it sees: a data set, and all that the model it starts from saw."""
    with storage.lock(LOCK):
        seen = pl.concat([_shown(storage, dataset), read(storage, before)]).unique(_KEY, keep="first")
        write_atomically(checkpoints / layout.SEEN_IN_TRAINING, _bytes(seen.sort(_KEY)))


def begun(checkpoints: Path) -> pl.DataFrame:
    """What the training with these checkpoints sees, as marked until now."""
    return pl.read_parquet(checkpoints / layout.SEEN_IN_TRAINING)


def saw(storage: Storage, record_ids: Collection[str]) -> list[Sighting]:
    """The models, releases and unfinished trainings that saw any of the records; tombstones find forgotten ones."""
    wanted = pl.Series(list(record_ids), dtype=pl.String).implode()
    sightings = []
    for found in lists(storage):
        matches = found.root.scan([found.key]).filter(pl.col("record_id").is_in(wanted))
        records = matches.select(pl.col("record_id").n_unique()).collect().item()
        if records:
            sightings.append(Sighting(found.asset, found.data_version, records))
    return sightings


def mark_forgotten(storage: Storage, tombstones: Mapping[str, str], request: str) -> list[Sighting]:
    """Put tombstones in the place of record_ids in every list, and flag the models whose lists held any.

    ``tombstones`` maps record_ids to theirs. Each list is replaced as a whole; after an interruption, the same
    call goes on where it stopped. Returns who saw any of them, whichever call marked it.
    """
    with storage.lock(LOCK):
        for found in lists(storage):
            seen = found.root.scan([found.key]).collect()
            marked = _marked(seen, tombstones, request)
            if marked.equals(seen):
                continue
            if found.manifest is None:
                found.root.put(found.key, _bytes(marked))
            else:
                _replace(storage, found.manifest, marked)
        _remove_unnamed(storage)
    return saw(storage, tombstones.values())


def forgotten_seen(storage: Storage, asset: str) -> int:
    """How many records a stored model saw that were forgotten since."""
    return read(storage, asset).filter("forgotten")["record_id"].n_unique()


def flags(seen: pl.DataFrame) -> list[str]:
    """A line for each request that asked to forget what a model saw."""
    by_request = seen.filter("forgotten").group_by("request").agg(pl.col("record_id").n_unique()).sort("request")
    return [
        f"saw {count:,} record{'' if count == 1 else 's'} forgotten by request {request}"
        for request, count in by_request.iter_rows()
    ]


def flags_metadata(manifest: Manifest) -> dict[str, Any]:
    """What the UI shows of a model's flags; empty where it has none."""
    return {"flags": "; ".join(manifest.flags)} if manifest.flags else {}


def registry(storage: Storage) -> pl.DataFrame:
    """The stored models and releases: which weights, when, by which run, how many records they saw, and flags."""
    rows = [
        (m.asset, m.data_version, m.made_at, m.run_id, _trained_on(storage.scan(m, ROLE)), m.flags)
        for m in _models(storage)
    ]
    return pl.DataFrame(rows, schema=_REGISTRY, orient="row").sort("made_at")


def _models(storage: Storage) -> Sequence[Manifest]:
    return [manifest for manifest in Inventory(storage).manifests() if ROLE in manifest.files]


def _trained_on(seen: pl.LazyFrame) -> int:
    trained = seen.filter(pl.col("split") == "train").select(pl.col("record_id").n_unique())
    return int(trained.collect().item())


def _shown(storage: Storage, dataset: str) -> pl.DataFrame:
    """What training on a dataset shows to a model, as ``SeenRecord`` rows: all but its test rows."""
    rows = storage.scan(storage.require(dataset))
    shown = rows.select("record_id", split=pl.col("split").cast(pl.String)).filter(pl.col("split") != "test")
    new = {"dataset": pl.lit(dataset), "forgotten": pl.lit(False), "request": pl.lit(None)}
    return shown.with_columns(**new).collect().select(_schema().names()).cast(_schema())


def _marked(seen: pl.DataFrame, tombstones: Mapping[str, str], request: str) -> pl.DataFrame:
    hit = pl.col("record_id").is_in(pl.Series(list(tombstones), dtype=pl.String).implode())
    return seen.with_columns(
        pl.col("record_id").replace(tombstones),
        forgotten=pl.col("forgotten") | hit,
        request=pl.when(hit).then(pl.lit(request)).otherwise("request"),
    ).sort(_KEY)


def _replace(storage: Storage, manifest: Manifest, seen: pl.DataFrame) -> None:
    # Not by Storage.commit: it would remove the folder that a run which trains this model again is writing.
    files = manifest.files | {ROLE: write(storage, manifest.asset, seen)}
    storage.amend(manifest, manifest.model_copy(update={"files": files, "flags": flags(seen)}))


def _remove_unnamed(storage: Storage) -> None:
    """Remove lists that no manifest names, such as one that a killed call had already replaced."""
    named = {found.key for found in lists(storage)}
    for asset in Inventory(storage).assets():
        for name in storage.at.names(layout.folder(asset)):
            key = f"{layout.folder(asset)}/{name}"
            if name.startswith((f"{ROLE}-", f".{ROLE}-")) and key not in named:
                storage.at.delete(key)


def _bytes(seen: pl.DataFrame) -> bytes:
    file = BytesIO()
    seen.write_parquet(file, row_group_size=_ROW_GROUP)
    return file.getvalue()


def _schema() -> pl.Schema:
    # Imported here: contracts take as long to load as a million records to look through.
    from fineline.data_contracts.models import SeenRecord

    return SeenRecord.create_empty().schema
