"""One execution of a table asset: reads its inputs, writes its tables, publishes what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import dataframely as dy
import polars as pl

from fineline.assets.standards import BATCHES
from fineline.data_contracts.accounting import WISHED_RULES
from fineline.resources.lineage import PER_BATCH, inputs_of, pseudonym_inputs, stored_versions, unchanged_batches
from fineline.resources.project import Project
from fineline.resources.recipe import digest
from fineline.resources.samples import sample_table
from fineline.resources.tables import Made, Origin, Written, scan_table, write_table


def batch_keys(context: dg.AssetExecutionContext) -> list[str]:
    """All batches that have arrived, sorted, so that nothing depends on the order of arrival."""
    return sorted(context.instance.get_dynamic_partitions(str(BATCHES.name)))


class Stage:
    """One execution of an asset: what it is, what it reads, and what it is made from."""

    def __init__(self, context: dg.AssetExecutionContext, project: Project) -> None:
        self.context, self.project = context, project
        self.asset = context.asset_key.to_user_string()
        self.recipe, self.storage = project.recipe, project.storage

    @cached_property
    def batches(self) -> list[str]:
        """All batches that had arrived when they were first asked for."""
        return batch_keys(self.context)

    def scan(self, asset: str, batch: str | None = None, role: str = "data") -> pl.LazyFrame:
        """An upstream table, lazily: one batch of it, or, in a merged asset, all batches."""
        if batch is None and asset in PER_BATCH:
            return scan_table(self.storage, asset, self.batches, role)
        return scan_table(self.storage, asset, [batch] if batch else None, role)

    def read(self, asset: str, batch: str | None = None, role: str = "data") -> pl.DataFrame:
        """An upstream table, in memory."""
        return self.scan(asset, batch, role).collect()

    def before(self, role: str = "data") -> pl.DataFrame | None:
        """A table of this asset as it was last made, whatever its checks said; None where it has none."""
        manifest = self.storage.manifest(self.asset)
        if manifest is None or role not in manifest.files:
            return None
        return pl.read_parquet(self.storage.file(manifest, role))

    def said_before(self, table: str, role: str = "data") -> pl.DataFrame | None:
        """What this asset said before of the records of those batches of a table that have not changed since.

        For what is made of each record by itself. None where nothing of it holds: not made yet, or by other code.
        """
        origin, said = self.origin(), self.before(role)
        same = unchanged_batches(self.storage.manifest(self.asset), origin.code_version, origin.inputs, table)
        return None if said is None or not same else said.filter(pl.col("batch").is_in(same))

    def model_folder(self, asset: str, role: str = "model") -> Path:
        """The folder of a stored model, or of its adapter."""
        return self.storage.file(self.storage.require(asset), role)

    def export(self, dataset: str, split: str) -> Path:
        """The JSONL file of one split of a data set."""
        return self.storage.file(self.storage.require(dataset), split)

    def origin(self, batch: str | None = None, inputs: Mapping[str, str] | None = None) -> Origin:
        """What this execution is made from; ``inputs`` only where they are not assets."""
        spec = self.context.assets_def.get_asset_spec(self.context.asset_key)
        if inputs is None:
            upstream = [dep.asset_key.to_user_string() for dep in spec.deps]
            inputs = stored_versions(self.storage, inputs_of(self.asset, upstream, batch, self.batches))
            inputs |= pseudonym_inputs(self.asset, self.storage)
        return Origin(str(spec.code_version), inputs, self.context.run.run_id)


class TableStage(Stage):
    """One execution of a table asset: writes its tables and publishes what came of it."""

    def __init__(self, context: dg.AssetExecutionContext, project: Project, schema: type[dy.Schema]) -> None:
        super().__init__(context, project)
        self.schema = schema
        self.written: list[tuple[Written, Mapping[str, Any]]] = []

    def write(
        self,
        made: Made | Iterable[Made],
        batch: str | None = None,
        *,
        inputs: Mapping[str, str] | None = None,
        failed_checks: Sequence[str] = (),
        metadata: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None,
    ) -> Written:
        """Validate and store a table, whole or in parts.

        ``inputs`` only where they are not assets, such as a batch's file. ``metadata`` may be a function, for
        what is known only when the last part is written.
        """
        written = write_table(
            self.storage,
            self.asset,
            batch,
            made,
            self.schema,
            self.origin(batch, inputs),
            maximum_quarantine=self.recipe.maximum_quarantine,
            failed_checks=failed_checks,
        )
        told = metadata() if callable(metadata) else metadata or {}
        shown = {**self._standing_metadata(written), **written.manifest.facts, **told}
        # The rows are stored; a step of hundreds of batches must not keep them all in memory.
        self.written.append((replace(written, frame=written.frame.clear()), shown))
        return written

    def results(self, *more: dg.AssetCheckResult) -> Iterator[dg.MaterializeResult[Any] | dg.AssetMaterialization]:
        """What Dagster records: metadata and data version of each batch, and every check."""
        events = {written.manifest.batch: metadata for written, metadata in self.written}
        versions = {written.manifest.batch: written.manifest.data_version for written, _ in self.written}
        for batch, metadata in events.items():
            if batch is not None:
                self.context.add_asset_metadata(metadata, partition_key=batch)
        (only, *others) = versions.values()
        yield dg.MaterializeResult(
            metadata=events.get(None),
            data_version=dg.DataVersion(digest(only, *others) if others else only),
            check_results=[*self._table_checks(), *more],
        )
        if len(versions) > 1:
            # One step gives all its partitions one data version; each batch needs its own, or adding a
            # batch would look like a change of the others.
            for batch, version in versions.items():
                yield dg.AssetMaterialization(
                    self.context.asset_key,
                    partition=batch,
                    metadata=events[batch],
                    tags={
                        "dagster/data_version": version,
                        "dagster/data_version_is_user_provided": "true",
                        "dagster/code_version": self.written[0][0].manifest.code_version,
                        **self._provenance(str(batch)),
                    },
                )

    def _provenance(self, batch: str) -> dict[str, str]:
        """The tags by which Dagster knows what a batch was made from, for its "unsynced" mark in the UI."""
        tags = {}
        for dep in self.context.assets_def.get_asset_spec(self.context.asset_key).deps:
            same_batch = dg.AssetRecordsFilter(dep.asset_key, asset_partitions=[batch])
            for record in self.context.instance.fetch_materializations(same_batch, limit=1).records:
                name, event = dep.asset_key.to_user_string(), record.asset_materialization
                tags[f"dagster/input_data_version/{name}"] = event.tags["dagster/data_version"]
                tags[f"dagster/input_event_pointer/{name}"] = str(record.storage_id)
        return tags

    def _standing_metadata(self, written: Written) -> dict[str, Any]:
        manifest = written.manifest
        return {
            "dagster/row_count": manifest.rows,
            "rows in": manifest.rows_in,
            "dropped": manifest.dropped,
            "quarantined": manifest.quarantined,
            "path": dg.MetadataValue.path(str(self.storage.file(manifest, "data"))),
            "sample": dg.MetadataValue.md(sample_table(written.frame)),
            **recipe_metadata(self.project),
        }

    def _table_checks(self) -> Iterator[dg.AssetCheckResult]:
        totals = [w.manifest for w, _ in self.written]
        counts = {
            "rows in": sum(m.rows_in or 0 for m in totals),
            "kept": sum(m.rows or 0 for m in totals),
            "dropped": sum(m.dropped for m in totals),
            "quarantined": sum(m.quarantined for m in totals),
        }
        yield dg.AssetCheckResult(
            check_name="accounted_for",
            passed=all(w.accounted_for for w, _ in self.written),
            metadata=counts,
            description="{rows in} in = {kept} kept + {dropped} dropped + {quarantined} in quarantine".format(**counts),
        )
        rules: dict[str, int] = {}
        for written, _ in self.written:
            for rule, count in written.broken_rules.items():
                rules[rule] = rules.get(rule, 0) + count
        yield dg.AssetCheckResult(
            check_name="under_contract",
            passed=all(w.under_contract for w, _ in self.written),
            metadata={"contract": self.schema.__name__, "quarantined": counts["quarantined"], **rules},
            description=f"{counts['quarantined']} of {counts['rows in']} rows in quarantine, "
            f"{sum(rules.get(rule, 0) for rule in WISHED_RULES)} of them as the recipe wishes; "
            f"at most {self.recipe.maximum_quarantine:.1%} of the others may be",
        )


def recipe_metadata(project: Project) -> dict[str, Any]:
    """Which recipe made an asset, and its text."""
    return {
        "recipe": project.recipe.name,
        "recipe text": dg.MetadataValue.md(f"```yaml\n{project.recipe_text}\n```"),
    }
