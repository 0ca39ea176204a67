"""Names of batches, which may name a person: blanked in the registry, the one place that holds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from fineline.resources.core.storage.store import Storage
from fineline.resources.data.ingestion.batches import blank, known_arrivals
from fineline.resources.governance.forgetting.texts import contains_any, fold
from fineline.resources.governance.forgetting.tombstones import Tombstones


def name_of(storage: Storage, batch: str) -> list[str]:
    """The name of a batch with its source, in comparable form; nothing for a batch without a name."""
    name = _names(storage).get(batch)
    return [] if name is None else fold([f"{batch.partition('/')[0]}/{name}"])


def blank_names(storage: Storage, sought: Sequence[str], batch: str | None) -> list[str]:
    """Blank the names that contain one of the texts sought, which are in comparable form, and that of the batch.

    Returns the keys of the batches of such names, whose files outside still bear them.
    """
    named = _blank(storage, lambda names: contains_any(names, sought))
    if batch is not None:
        blank(storage, [batch])
    return named


def blank_forgotten_names(storage: Storage, tombstones: Tombstones) -> None:
    """Blank the names of batches that arrived since, if they contain a forgotten text."""
    _blank(storage, tombstones.recognise)


def _blank(storage: Storage, contain: Callable[[pl.Series], pl.Series]) -> list[str]:
    names = _names(storage)
    found = contain(pl.Series([*names.values()], dtype=pl.String))
    keys = [key for key, hit in zip(names, found, strict=True) if hit]
    if keys:
        blank(storage, keys)
    return keys


def _names(storage: Storage) -> dict[str, str]:
    """The names by the keys of their batches, also of batches that are gone or withdrawn."""
    return {key: batch.name for key, batch in known_arrivals(storage).items() if batch.name is not None}
