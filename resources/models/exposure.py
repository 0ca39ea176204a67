"""Exposure: which records each model has seen, itself or through the model it was trained from.

The list is stored beside the weights and is no part of their version, so forgotten records can be marked in it without
training again. While a model is trained, its list is stored with its checkpoints.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
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

ROLE = "exposure"
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
class ExposedModel:
    """A model that has seen some of the records asked for; ``data_version`` is None for one still in training."""

    asset: str
    data_version: str | None
    records: int


@dataclass(frozen=True)
class ExposureList:
    """Where a list is stored, with the manifest of its model; None while the model is in training."""

    asset: str
    root: Root
    key: str
    manifest: Manifest | None


def exposure_lists(storage: Storage) -> Iterator[ExposureList]:
    """The lists of all stored models and releases, and of unfinished trainings."""
    for manifest in Inventory(storage).manifests():
        if ROLE in manifest.files:
            yield ExposureList(manifest.asset, storage.root, storage.key(manifest, ROLE), manifest)
    for training in storage.local.names(layout.CHECKPOINTS):
        folder = f"{layout.CHECKPOINTS}/{training}"
        key = f"{folder}/{layout.EXPOSURE_IN_TRAINING}"
        if storage.local.exists(key):
            yield ExposureList(folder, storage.local, key, None)


def read(storage: Storage, asset: str) -> pl.DataFrame:
    """The exposure of a stored model; no rows for one that is not stored, or was trained elsewhere."""
    manifest = storage.manifest(asset)
    if manifest is None or ROLE not in manifest.files:
        return pl.DataFrame(schema=_schema())
    return storage.scan(manifest, ROLE).collect()


def write(storage: Storage, asset: str, seen: pl.DataFrame) -> str:
    """Store a list in the asset's folder, named by its content. Returns the name, for the manifest."""
    return storage.add(asset, None, f"{ROLE}.parquet", _bytes(seen))


def begin_training(storage: Storage, checkpoints: Path, dataset: str, before: str) -> None:
    """Store the exposure of a training with its checkpoints: a dataset, and the exposure of the model before it."""
    with storage.root.lock(layout.EXPOSURE_LOCK):
        seen = pl.concat([_shown(storage, dataset), read(storage, before)]).unique(_KEY, keep="first")
        write_atomically(checkpoints / layout.EXPOSURE_IN_TRAINING, _bytes(seen.sort(_KEY)))


def in_training(checkpoints: Path) -> pl.DataFrame:
    """The exposure of the training with these checkpoints, with the marks made so far."""
    return pl.read_parquet(checkpoints / layout.EXPOSURE_IN_TRAINING)


def exposed_models(storage: Storage, record_ids: Collection[str]) -> list[ExposedModel]:
    """The models, releases and unfinished trainings that have seen any of the records.

    Forgotten records are found by their tombstones.
    """
    wanted = pl.Series(list(record_ids), dtype=pl.String).implode()
    sightings = []
    for found in exposure_lists(storage):
        matches = found.root.scan([found.key]).filter(pl.col("record_id").is_in(wanted))
        records = matches.select(pl.col("record_id").n_unique()).collect().item()
        if records:
            version = None if found.manifest is None else found.manifest.data_version
            sightings.append(ExposedModel(found.asset, version, records))
    return sightings


def mark_forgotten(storage: Storage, tombstones: Mapping[str, str], request: str) -> list[ExposedModel]:
    """Replace record_ids by tombstones in every list, and flag the models whose lists held any.

    ``tombstones`` maps record_ids to their tombstones. Each list is replaced as a whole, and after an interruption the
    same call completes the work. Returns all models that have seen any of the records, whichever call marked them.
    """
    with storage.root.lock(layout.EXPOSURE_LOCK):
        for found in exposure_lists(storage):
            seen = found.root.scan([found.key]).collect()
            marked = _marked(seen, tombstones, request)
            if marked.equals(seen):
                continue
            if found.manifest is None:
                found.root.put(found.key, _bytes(marked))
            else:
                _replace(storage, found.manifest, marked)
        _remove_unnamed(storage)
    return exposed_models(storage, tombstones.values())


def forgotten_records(storage: Storage, asset: str) -> int:
    """How many of the records that a stored model has seen are forgotten."""
    return read(storage, asset).filter("forgotten")["record_id"].n_unique()


def flags(seen: pl.DataFrame) -> list[str]:
    """A line for each request that forgot records which a model has seen."""
    by_request = seen.filter("forgotten").group_by("request").agg(pl.col("record_id").n_unique()).sort("request")
    return [
        f"saw {count:,} record{'' if count == 1 else 's'} forgotten by request {request}"
        for request, count in by_request.iter_rows()
    ]


def flags_metadata(manifest: Manifest) -> dict[str, Any]:
    """A model's flags for the UI; empty where it has none."""
    return {"flags": "; ".join(manifest.flags)} if manifest.flags else {}


def model_registry(storage: Storage) -> pl.DataFrame:
    """The stored models and releases: weights, time, run, number of records trained on, and flags."""
    rows = []
    for found in exposure_lists(storage):
        if found.manifest is not None:
            model, seen = found.manifest, found.root.scan([found.key]).filter(split="train")
            trained_on = seen.select(pl.col("record_id").n_unique()).collect().item()
            rows.append((model.asset, model.data_version, model.made_at, model.run_id, trained_on, model.flags))
    return pl.DataFrame(rows, schema=_REGISTRY, orient="row").sort("made_at")


def _shown(storage: Storage, dataset: str) -> pl.DataFrame:
    """The rows of a dataset that training shows to a model: train and validation. Returns ExposedRecord rows."""
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
    named = {found.key for found in exposure_lists(storage)}
    for asset in Inventory(storage).assets():
        for name in storage.root.names(layout.folder(asset)):
            key = f"{layout.folder(asset)}/{name}"
            if name.startswith((f"{ROLE}-", f".{ROLE}-")) and key not in named:
                storage.root.delete(key)


def _bytes(seen: pl.DataFrame) -> bytes:
    file = BytesIO()
    seen.write_parquet(file, row_group_size=_ROW_GROUP)
    return file.getvalue()


def _schema() -> pl.Schema:
    # Imported here: importing the contracts takes as long as scanning a million records.
    from fineline.data_contracts.models import ExposedRecord

    return ExposedRecord.create_empty().schema
