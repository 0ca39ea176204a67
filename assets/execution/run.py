"""One execution of an asset: what its body may read, log and check."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from fineline.assets.execution.partitions import Launch
from fineline.assets.execution.provenance import Execution
from fineline.assets.execution.shown import described, inert_metadata
from fineline.assets.execution.workers import run_worker
from fineline.data_contracts import catalog
from fineline.data_contracts.catalog import Asset
from fineline.resources.core.compute.engine import Engine
from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.presentation.inert import fenced
from fineline.resources.core.presentation.progress import every_few_seconds
from fineline.resources.core.recipe.sources import Source
from fineline.resources.core.storage.integrity import find_damaged, require_whole, whole_file
from fineline.resources.core.storage.tables import scan_table
from fineline.resources.core.storage.units import Scratch, Snapshot
from fineline.resources.data.ingestion.batches import arrived, refuse, terms_of, versions_of
from fineline.resources.data.ingestion.registry import Refusal, registry_of
from fineline.resources.data.sources.batch import Batch
from fineline.resources.models.worker.protocol import R, Task
from fineline.resources.planning.inputs import ARRIVAL, unchanged_batches
from fineline.resources.project import Project


class Run(Execution):
    """One execution of an asset, as its body sees it.

    The recipe is not part of it: the sections that a body declares come as its parameters, and no others.
    """

    def __init__(self, context: dg.AssetExecutionContext, project: Project, asset: Asset, launch: Launch) -> None:
        super().__init__(context, project, asset, launch)
        self.checks: dict[str, dg.AssetCheckResult] = {}

    @cached_property
    def engine(self) -> Engine:
        """Where units of work run. Its workers stay warm until the execution ends."""
        return self._project.engine

    def close(self) -> None:
        """End the engine's workers, where there are any."""
        if "engine" in self.__dict__:
            self.engine.close()

    @property
    def pseudonym_key(self) -> PseudonymKey:
        """The key of pseudonyms and hashes, made on first use."""
        return self._project.pseudonym_key

    @property
    def recipe_name(self) -> str:
        """The name of the recipe, by which the storage root is named too."""
        return self._project.recipe.name

    @property
    def recipe_text(self) -> str:
        """The text of the recipe, for what is stored as evidence beside a result; nothing is to be read from it."""
        return self._project.recipe_text

    @property
    def recipe_metadata(self) -> dict[str, Any]:
        """Which recipe an asset was made by, and its text."""
        return {
            "recipe": self.recipe_name,
            "recipe text": dg.MetadataValue.md(fenced(self.recipe_text, "yaml")),
        }

    def source(self, batch: str) -> tuple[Source, Batch]:
        """The source of a batch, and the batch as it arrived; both are part of the version of its arrival.

        Raises SourceError for a batch that the sources no longer offer.
        """
        source = self._project.recipe.source(batch.partition("/")[0])
        return source, arrived(self.storage, source, batch)

    def refuse(self, reasons: Mapping[str, str], accepted: Iterable[str] = ()) -> None:
        """Leave batches out of all that follows until they or what they are judged by change; what is stored stays.

        Those that are ``accepted`` are refused no more.
        """
        recipe, registry = self._project.recipe, registry_of(self.storage)
        changed: dict[str, Refusal | None] = {
            key: None for key in accepted if (batch := registry.arrival(key)) and batch.refusal
        }
        offered = versions_of(registry, recipe.sources, refused=True) if reasons else {}
        for key in reasons.keys() & offered.keys():
            stored = self.storage.manifest(self.name, key)
            kept = stored.inputs.get(ARRIVAL) if stored and not stored.failed_checks else None
            changed[key] = Refusal(reason=reasons[key], version=offered[key], terms=terms_of(recipe), kept=kept)
            if kept is not None:
                self.storage.remove_old(self.name, key)
        refuse(self.storage, changed)

    def progress(self, what: str) -> Callable[[int, int | None], None]:
        """Reports to the log how far a long step is, every few seconds."""
        return every_few_seconds(self.log.info, what)

    def scan(self, asset: str, batch: str | None = None, role: str = "data") -> pl.LazyFrame:
        """An upstream table, lazily: one batch of it, or, in a merged asset, all batches."""
        batches = [batch] if batch is not None else self.batches if catalog.entry(asset).per_batch else None
        return scan_table(self.storage, asset, batches, role, verified=True)

    def read(self, asset: str, batch: str | None = None, role: str = "data") -> pl.DataFrame:
        """An upstream table, in memory."""
        return self.scan(asset, batch, role).collect()

    def previous(self, role: str = "data", same: Collection[str] | None = None) -> pl.DataFrame | None:
        """A table of this asset as it was last made; None where it has none, or failed a check.

        Where ``same`` is given, also None unless it was made by the same code and recipe from these inputs as they are;
        an execution that is forced reuses nothing. Raises Damaged.
        """
        manifest, origin = self.storage.manifest(self.name), self.origin()
        if manifest is None or manifest.failed_checks or role not in manifest.roles:
            return None
        if same is not None and (self.forced or manifest.code_version != origin.code_version):
            return None
        if any(manifest.inputs.get(name) != origin.inputs[name] for name in same or ()):
            return None
        require_whole(self.storage, manifest, role)
        return self.storage.scan(manifest, role).collect()

    def unchanged_batches(self, table: str) -> list[str]:
        """The batches of a table that have not changed since this asset was last stored, by the same code and recipe.

        Its results on single records of these batches can be reused. Empty where it failed a check, or is damaged, and
        in an execution that is forced.
        """
        origin, before = self.origin(), self.storage.manifest(self.name)
        if self.forced or before is None or before.failed_checks or find_damaged(self.storage, before, "data"):
            return []
        return unchanged_batches(before, origin.code_version, origin.inputs, table)

    def scratch(self) -> AbstractContextManager[Scratch]:
        """A place for tables that this execution and its units of work leave for each other, removed in the end."""
        return Scratch.of(self.storage, self.name)

    def snapshot(self, *assets: Asset) -> Snapshot:
        """Tables in the versions that count now, for units of work."""
        batches = self.stale if self.asset.per_batch else self.batches
        return Snapshot.take(self.storage, [asset.name for asset in assets], batches)

    def path(self, asset: str, role: str = "model") -> Path:
        """A stored file or folder: a model, its adapter, or the JSONL file of a dataset's split."""
        return whole_file(self.storage, self.storage.require(asset), role)

    def check(
        self,
        name: str,
        passed: bool,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    ) -> None:
        """Record the result of one of the asset's own checks; before the result is stored, so that it can block."""
        self.checks[name] = dg.AssetCheckResult(
            check_name=name,
            passed=passed,
            description=described(description),
            severity=severity,
            metadata=inert_metadata(metadata or {}),
        )

    def work(self, task: Task[R]) -> R:
        """Run a task on model weights in a worker process and return its result. Raises ModelError."""
        return run_worker(self.context, task)

    @property
    def failed_checks(self) -> list[str]:
        """The checks that have failed so far; a warning is no failure."""
        error = dg.AssetCheckSeverity.ERROR
        return [name for name, check in self.checks.items() if not check.passed and check.severity == error]
