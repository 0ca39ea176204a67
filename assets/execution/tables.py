"""One execution of a table asset: writes its tables, and publishes what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg
import dataframely as dy

from fineline.assets.execution.events import Outcome, PublishedPartition, last_published, of_batch, publish
from fineline.assets.execution.inputs import Making, recipe_metadata
from fineline.data_contracts.accounting import WISHED_RULES
from fineline.resources.core.presentation.tables import sample_table
from fineline.resources.core.storage.store import Manifest
from fineline.resources.core.storage.tables import StoredTable, TableOutput, write_table
from fineline.resources.project import Project


class TableStage(Making):
    """One execution of a table asset: writes its tables and publishes what came of it."""

    def __init__(self, context: dg.AssetExecutionContext, project: Project, schema: type[dy.Schema]) -> None:
        super().__init__(context, project)
        self.schema = schema
        self.written: list[tuple[StoredTable, Mapping[str, Any]]] = []

    def write(
        self,
        made: TableOutput | Iterable[TableOutput],
        batch: str | None = None,
        *,
        failed_checks: Sequence[str] = (),
        metadata: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None,
    ) -> StoredTable:
        """Validate and store a table, whole or in parts.

        ``metadata`` may be a function, for what is known only when the last part is written.
        """
        written = write_table(
            self.storage,
            self.asset,
            batch,
            made,
            self.schema,
            self.origin(batch),
            maximum_quarantine=self.recipe.maximum_quarantine,
            failed_checks=failed_checks,
        )
        told = metadata() if callable(metadata) else metadata or {}
        shown = {**self._standing_metadata(written), **written.manifest.facts, **told}
        # The rows are stored; a step of hundreds of batches must not keep them all in memory.
        self.written.append((replace(written, frame=written.frame.clear()), shown))
        return written

    def made_so_far(self) -> Iterator[dg.AssetMaterialization]:
        """What Dagster records of the batches that were stored when an execution fails at others."""
        for written, metadata in self.written:
            yield of_batch(self.context, PublishedPartition(written.manifest, metadata))

    def results(self, *more: dg.AssetCheckResult) -> Iterator[Outcome]:
        """What Dagster records: metadata and data version of each batch asked for, and every check."""
        made = {
            written.manifest.batch: PublishedPartition(written.manifest, metadata) for written, metadata in self.written
        }
        published = [
            made.get(batch) or last_published(self.context, self.storage.require(self.asset, batch))
            for batch in self.asked
        ]
        checks = [*self._table_checks([each.manifest for each in published]), *more]
        yield from publish(self.context, self.storage, published, checks)

    def _standing_metadata(self, written: StoredTable) -> dict[str, Any]:
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

    def _table_checks(self, totals: Sequence[Manifest]) -> Iterator[dg.AssetCheckResult]:
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
