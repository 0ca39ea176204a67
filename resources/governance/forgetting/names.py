"""Names of batches, which may name a person: blanked in the registry, the one place that holds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from fineline.resources.core.storage.store import Storage
from fineline.resources.data.ingestion.batches import blank, known_arrivals
from fineline.resources.governance.forgetting.texts import contains_any, fold
from fineline.resources.governance.forgetting.tombstones import Tombstones


def forget_names(storage: Storage, sought: Sequence[str]) -> None:
    """Blank the names that contain one of the texts sought, which are in comparable form."""
    _blank(storage, lambda names: contains_any(names, sought))


def forget_name(storage: Storage, batch: str, cleanse: Callable[[Sequence[str]], object]) -> None:
    """Blank the name of a batch, after ``cleanse`` has removed it from what else names it."""
    name = _names(storage).get(batch)
    if name is not None:
        cleanse(fold([f"{batch.partition('/')[0]}/{name}"]))
        blank(storage, [batch])


def blank_forgotten_names(storage: Storage, tombstones: Tombstones) -> None:
    """Blank the names of batches that came in since, if they contain a forgotten text."""
    _blank(storage, tombstones.recognise)


def _blank(storage: Storage, telling: Callable[[pl.Series], pl.Series]) -> None:
    names = _names(storage)
    found = telling(pl.Series([*names.values()], dtype=pl.String))
    if found.any():
        blank(storage, [key for key, tells in zip(names, found, strict=True) if tells])


def _names(storage: Storage) -> dict[str, str]:
    """The names by the keys of their batches, also of batches that are gone or withdrawn."""
    return {key: batch.name for key, batch in known_arrivals(storage).items() if batch.name is not None}
