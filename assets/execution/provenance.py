"""The batches that one execution is asked for, the versions of their inputs, and which of them are stale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import dagster as dg

from fineline.assets.execution.partitions import Launch, batch_keys
from fineline.assets.execution.shown import quieten
from fineline.data_contracts import catalog
from fineline.data_contracts.catalog import Asset, Partition
from fineline.resources.core.presentation.tables import first_few
from fineline.resources.core.storage.inventory import Inventory
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.tables import Origin
from fineline.resources.data.ingestion.batches import version_of, versions_of
from fineline.resources.data.ingestion.registry import registry_of
from fineline.resources.planning.inputs import ARRIVAL, inputs_now, inputs_of, why_stale
from fineline.resources.project import Project


class Execution:
    """What one execution of an asset is asked for, and what each of its batches is made from.

    Everything is noted before the body reads anything. An input may get another version meanwhile, during hours of
    training above all; what was made from the one before must not count as made from the new one.

    ``asked`` are the batches asked for; of an asset without batches, None alone. ``batches`` are those that a merged
    asset is made from, sorted. ``forced``: it was launched to be made although nothing has changed.
    """

    def __init__(self, context: dg.AssetExecutionContext, project: Project, asset: Asset, launch: Launch) -> None:
        self.context, self.log = context, context.log
        quieten(self.log)
        self.asset, self.name = asset, asset.name
        self.storage = project.storage
        self.forced = launch.force
        self._project = project
        self.batches = _batches_read(self.storage, asset, batch_keys(context.instance))
        self.asked: Sequence[str | None] = context.partition_keys if asset.per_batch else [None]
        self._chosen = _chosen(launch, self.asked)
        code_version = str(context.assets_def.get_asset_spec(context.asset_key).code_version)
        self._origins = {batch: Origin(code_version, self._inputs(batch), context.run.run_id) for batch in self.asked}

    def origin(self, batch: str | None = None) -> Origin:
        """What this execution is made from, as noted before anything was read."""
        return self._origins[batch]

    @cached_property
    def stale(self) -> list[Any]:
        """The batches asked for that are to be made; what is stored of the others is up to date."""
        always = self.forced or self.asset.governs
        stale = [batch for batch in self._chosen if always or self._why_stale(batch)]
        if stale and len(stale) < len(self._chosen):
            self.log.info(f"{self.name}: {len(self._chosen) - len(stale)} batches are up to date")
        return stale

    def read_from(self) -> list[Partition]:
        """Everything that this execution may read: its inputs, and what it stored before."""
        inputs = [each for batch in self.asked for each in inputs_of(self.asset, batch, self.batches)]
        return [*dict.fromkeys(inputs), *(Partition(self.name, batch) for batch in self.asked)]

    def _inputs(self, batch: str | None) -> dict[str, str]:
        if self.name == catalog.RAW_CORPUS.name:
            return {ARRIVAL: version_of(self._arrived, str(batch))}
        if not self.asset.governs:
            stored = self.storage.require
            return inputs_now(self.storage, self._project.recipe, self.asset, batch, self.batches, stored)
        if not self.asset.upstream:
            return {}
        # What is stored of the whole graph, also what is blocked or behind.
        written = [each for _, each in Inventory(self.storage).written() if each]
        return {each.label: each.data_version for each in written if not catalog.entry(each.asset).governs}

    @cached_property
    def _arrived(self) -> Mapping[str, str]:
        """The batches of the recipe's sources, with the fingerprint of their content."""
        registry, sources = registry_of(self.storage), self._project.recipe.sources
        # Who launches a refused batch by hand has it tried again.
        return versions_of(registry, sources, refused=True) | versions_of(registry, sources)

    def _why_stale(self, batch: str | None) -> str | None:
        now = self.origin(batch)
        return why_stale(self.asset, self.storage.manifest(self.name, batch), now.code_version, now.inputs)


def _chosen(launch: Launch, asked: Sequence[str | None]) -> Sequence[str | None]:
    """Those of the batches asked for that a person chose to make at launch; all, where none are named.

    Raises Failure for a name that is not among them.
    """
    unknown = sorted(set(launch.batches).difference(batch for batch in asked if batch))
    if unknown:
        raise dg.Failure(
            f"{first_few(unknown)} is not among the batches of this run: name batches of the partitions that are "
            "selected, or none",
            allow_retries=False,
        )
    return [batch for batch in asked if batch in launch.batches] if launch.batches else asked


def _batches_read(storage: Storage, asset: Asset, arrived: Sequence[str]) -> list[str]:
    """The batches that an execution reads.

    A batch may arrive while the tables of all batches are made, and must not be in some of them alone: the first of
    these tables takes the batches whose own tables are stored, and the others those that the first took.
    """
    if asset.per_batch:
        return list(arrived)
    last, first = catalog.MINHASH_SIGNATURES.name, catalog.DUPLICATE_CLUSTERS.name
    if asset.name == first:
        return [batch for batch in arrived if storage.manifest(last, batch)] or list(arrived)
    taken = storage.manifest(first)
    return [batch for batch in arrived if taken is None or Partition(last, batch).label in taken.inputs]
