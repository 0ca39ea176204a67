"""One execution of an asset: whether there is anything to make, what it reads, and what it is made from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial, wraps
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from fineline.assets.execution.events import (
    batch_keys,
    publish_unchanged,
)
from fineline.resources.core.storage.faults import MAXIMUM_RETRIES, explain, seconds_to_wait
from fineline.resources.core.storage.files import remove_leftovers
from fineline.resources.core.storage.integrity import whole_file
from fineline.resources.core.storage.tables import Origin, scan_table
from fineline.resources.data.ingestion.registry import Registry, registry_of
from fineline.resources.data.ingestion.scan import version_of, versions_of
from fineline.resources.planning.inputs import (
    PER_BATCH,
    inputs_now,
    inputs_of,
    stored_versions,
    unchanged_batches,
    why_stale,
)
from fineline.resources.project import Project

# A run with this tag makes what it is asked for, also where nothing changed.
FORCE = "fineline/force"

Body = Callable[[dg.AssetExecutionContext, Project], Any]


def made_when_changed(body: Body) -> Body:
    """An asset's body that runs only where code, recipe or inputs are not those that it was made from.

    Whoever asks for it, the UI, a schedule or a retry, what is up to date is told to Dagster once more and not
    made again. While one run makes an asset, others that would make it wait, and then find it up to date.
    What may pass by itself is tried again a few times; a full disk and a damaged input are told in words.
    """

    @wraps(body)
    def materialize(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
        stage = Stage(context, project)
        with stage.storage.lock(stage.asset), stage.storage.reading(stage.upstream), _faults_told(stage):
            for batch in stage.asked:
                remove_leftovers(stage.storage.folder(stage.asset, batch))
            if stage.changed():
                made = body(context, project)
                yield from made if isinstance(made, Iterator) else [made]
            else:
                context.log.info(f"{stage.asset} is up to date; a run with the tag {FORCE} makes it all the same")
                manifests = [stage.storage.require(stage.asset, batch) for batch in stage.asked]
                yield from publish_unchanged(context, stage.storage, manifests)

    return materialize


@contextmanager
def _faults_told(stage: Stage) -> Iterator[None]:
    """Errors of the machine as what to do about them. Raises RetryRequested for those that may pass."""
    try:
        yield
    except Exception as error:
        wait = seconds_to_wait(error, stage.context.retry_number, stage.context.run.run_id)
        if wait is not None:
            kind = type(error).__name__
            stage.context.log.warning(f"{stage.asset}: {kind}; it may pass and is tried again in {wait:.0f} s")
            raise dg.RetryRequested(MAXIMUM_RETRIES, seconds_to_wait=wait) from error
        explained = explain(error, stage.storage, stage.read_from())
        if explained is error:
            raise
        raise explained from error


class Stage:
    """One execution of an asset: what it is, what it reads, and what it is made from."""

    def __init__(self, context: dg.AssetExecutionContext, project: Project) -> None:
        self.context, self.project = context, project
        self.asset = context.asset_key.to_user_string()
        self.recipe, self.storage = project.recipe, project.storage

    @cached_property
    def batches(self) -> list[str]:
        """The batches that this execution reads, as they were when first asked for.

        A batch may arrive while the tables of all batches are made, and must not be in some of them alone: the
        first of these tables takes the batches whose own tables are stored, and the others those that it took.
        """
        arrived = batch_keys(self.context)
        if self.asset in PER_BATCH:
            return arrived
        first = self.storage.manifest("duplicate_clusters")
        if self.asset != "duplicate_clusters":
            return [batch for batch in arrived if first is None or f"minhash_signatures[{batch}]" in first.inputs]
        return [batch for batch in arrived if self.storage.manifest("minhash_signatures", batch)] or arrived

    def scan(self, asset: str, batch: str | None = None, role: str = "data") -> pl.LazyFrame:
        """An upstream table, lazily: one batch of it, or, in a merged asset, all batches."""
        if batch is None and asset in PER_BATCH:
            return scan_table(self.storage, asset, self.batches, role, verified=True)
        return scan_table(self.storage, asset, [batch] if batch else None, role, verified=True)

    def read(self, asset: str, batch: str | None = None, role: str = "data") -> pl.DataFrame:
        """An upstream table, in memory."""
        return self.scan(asset, batch, role).collect()

    def before(self, role: str = "data") -> pl.DataFrame | None:
        """A table of this asset as it was last made; None where it has none, or failed a check."""
        manifest = self.storage.manifest(self.asset)
        if manifest is None or manifest.failed_checks or role not in manifest.files:
            return None
        return pl.read_parquet(self.storage.file(manifest, role))

    def reusable_rows(self, table: str, role: str = "data") -> pl.DataFrame | None:
        """What this asset said before of the records of those batches of a table that have not changed since.

        For what is made of each record by itself. None where nothing of it holds: not made yet, or by other code.
        """
        origin, said = self.origin(), self.before(role)
        same = unchanged_batches(self.storage.manifest(self.asset), origin.code_version, origin.inputs, table)
        return None if said is None or not same else said.filter(pl.col("batch").is_in(same))

    def model_folder(self, asset: str, role: str = "model") -> Path:
        """The folder of a stored model, or of its adapter."""
        return whole_file(self.storage, self.storage.require(asset), role)

    def export(self, dataset: str, split: str) -> Path:
        """The JSONL file of one split of a data set."""
        return whole_file(self.storage, self.storage.require(dataset), split)

    @property
    def asked(self) -> Sequence[str | None]:
        """The batches that this execution is asked for; of an asset without batches, None alone."""
        return self.context.partition_keys if self.asset in PER_BATCH else [None]

    @property
    def upstream(self) -> list[str]:
        """The assets that this one is made from."""
        spec = self.context.assets_def.get_asset_spec(self.context.asset_key)
        return [dep.asset_key.to_user_string() for dep in spec.deps]

    def read_from(self) -> list[tuple[str, str | None]]:
        """All that this execution may have read: its inputs, and what it stored before."""
        inputs = [pair for batch in self.asked for pair in inputs_of(self.asset, self.upstream, batch, self.batches)]
        return [*dict.fromkeys(inputs), *((self.asset, batch) for batch in self.asked)]

    def changed(self) -> list[Any]:
        """Those of the batches asked for that are to be made: what is stored of the others is up to date."""
        stale = [batch for batch in self.asked if FORCE in self.context.run.tags or self._why_stale(batch)]
        if stale and len(stale) < len(self.asked):
            self.context.log.info(f"{self.asset}: {len(self.asked) - len(stale)} batches are up to date")
        return stale

    def _why_stale(self, batch: str | None) -> str | None:
        manifest, now = self.storage.manifest(self.asset, batch), self.origin(batch)
        return why_stale(self.asset, manifest, now.code_version, now.inputs)

    def origin(self, batch: str | None = None) -> Origin:
        """What this execution is made from, as it was when that was first asked."""
        return self.origins[batch]

    @cached_property
    def origins(self) -> Mapping[str | None, Origin]:
        """The same of each batch asked for."""
        return {batch: self._made_from(batch) for batch in self.asked}

    def _made_from(self, batch: str | None) -> Origin:
        spec = self.context.assets_def.get_asset_spec(self.context.asset_key)
        if self.asset == "raw_corpus":
            inputs = {"arrival": version_of(self.arrived, str(batch))}
        else:
            versions = partial(stored_versions, self.storage)
            inputs = inputs_now(self.storage, self.recipe, self.asset, self.upstream, batch, self.batches, versions)
        return Origin(str(spec.code_version), inputs, self.context.run.run_id)

    @cached_property
    def arrived(self) -> Mapping[str, str]:
        """The batches of the recipe's sources, with the fingerprint of what came in."""
        return versions_of(self.registry, self.recipe.sources)

    @cached_property
    def registry(self) -> Registry:
        """What is known of the batches: one state of it for all that this execution reads."""
        return registry_of(self.storage)


class Making(Stage):
    """One execution that makes an asset: what it is made from is noted before anything of it is read.

    An input may get another version meanwhile, in hours of training above all. What was made from the one before
    must not seem to be made from the new one, or it would count as up to date.
    """

    def __init__(self, context: dg.AssetExecutionContext, project: Project) -> None:
        super().__init__(context, project)
        _ = self.origins


def recipe_metadata(project: Project) -> dict[str, Any]:
    """Which recipe made an asset, and its text."""
    return {
        "recipe": project.recipe.name,
        "recipe text": dg.MetadataValue.md(f"```yaml\n{project.recipe_text}\n```"),
    }
