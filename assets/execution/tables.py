"""One execution of an asset that has a table: writes it, and publishes the result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import dagster as dg
import polars as pl

from fineline.assets.execution.events import Outcome, PublishedPartition, last_published, of_batch, publish
from fineline.assets.execution.rules import rule_results
from fineline.assets.execution.run import Run
from fineline.assets.execution.shown import sample_table
from fineline.data_contracts.accounting import WISHED_RULES
from fineline.resources.core.orchestrator.versions import row_count
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.tables import StoredPart, StoredTable, TableOutput, store_part, write_table

TABLE_CHECKS = {
    "accounted_for": "Rows in = rows kept + dropped by a named rule + in quarantine.",
    "under_contract": "No more rows broke the contract than the recipe allows (maximum_quarantine).",
}


class TableRun(Run):
    """One execution of an asset that has a table: writes it, and publishes the result."""

    @cached_property
    def _written(self) -> list[tuple[StoredTable, Mapping[str, Any]]]:
        return []

    def write(
        self,
        output: TableOutput | Iterable[TableOutput | StoredPart],
        batch: str | None = None,
        metadata: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None,
        shows: Callable[[pl.DataFrame], pl.DataFrame] = lambda rows: rows,
        keeps_good: bool = False,
    ) -> StoredTable:
        """Validate and store a table, whole or in parts; checks that failed before block it.

        ``metadata`` may be a function, for what is known only when the last part is written. ``shows`` reduces the rows
        to what the UI may show of them. With ``keeps_good``, a table that fails a check takes the place of none that
        passed; its check fails all the same.
        """
        written = write_table(
            self.storage,
            self.name,
            batch,
            output,
            self.asset.schema,
            self.origin(batch),
            maximum_quarantine=self._project.recipe.maximum_quarantine,
            failed_checks=self.failed_checks,
            keeps_good=keeps_good,
        )
        more = metadata() if callable(metadata) else metadata or {}
        manifest = written.manifest
        shown = {
            **row_count(manifest),
            "rows in": manifest.rows_in,
            "dropped": manifest.dropped,
            "quarantined": manifest.quarantined,
            "path": dg.MetadataValue.path(self.storage.location(manifest, "data")),
            **self.recipe_metadata,
            "sample": sample_table(shows(written.frame)),
            **manifest.facts,
            **more,
        }
        # The rows are stored; a step of hundreds of batches must not keep them all in memory.
        self._written.append((replace(written, frame=written.frame.clear()), shown))
        return written

    def store_part(self, output: TableOutput, batch: str | None = None) -> StoredPart:
        """Store a part ahead of its table, which :meth:`write` takes over once all checks are known."""
        return store_part(self.storage, self.name, batch, output)

    def stored(self, role: str = "data") -> pl.LazyFrame:
        """The table of all batches as this execution has stored it, lazily; for its metadata."""
        manifest = self.storage.last_stored(self.name)
        assert manifest is not None
        return self.storage.scan(manifest, role)

    def stored_so_far(self) -> Iterator[dg.AssetMaterialization]:
        """The events of the batches that were stored when the execution failed at another."""
        for written, metadata in self._written:
            if written.manifest.batch is not None and written.is_stored:
                yield of_batch(self.context, PublishedPartition(written.manifest, metadata))

    def results(self) -> Iterator[Outcome]:
        """The events of the execution: metadata and data version of each batch asked for, and every check."""
        written = {
            each.manifest.batch: PublishedPartition(each.manifest, shown)
            for each, shown in self._written
            if each.is_stored
        }
        published = [
            written.get(batch) or last_published(self.context, self.storage.require(self.name, batch))
            for batch in self.asked
        ]
        held_back = {each.manifest.batch: each.manifest for each, _ in self._written if not each.is_stored}
        judged = [held_back.get(each.manifest.batch, each.manifest) for each in published]
        checks = [*self._table_checks(judged), *self.checks.values()]
        yield from publish(self.context, self.storage, published, checks)

    def _all_passed(self, check: str) -> bool:
        return all(check not in written.manifest.failed_checks for written, _ in self._written)

    def _table_checks(self, manifests: Sequence[Manifest]) -> Iterator[dg.AssetCheckResult]:
        counts = {
            "rows in": sum(m.rows_in or 0 for m in manifests),
            "kept": sum(m.rows or 0 for m in manifests),
            "dropped": sum(m.dropped for m in manifests),
            "quarantined": sum(m.quarantined for m in manifests),
        }
        yield dg.AssetCheckResult(
            check_name="accounted_for",
            passed=self._all_passed("accounted_for"),
            metadata=counts,
            description="{rows in} in = {kept} kept + {dropped} dropped + {quarantined} in quarantine".format(**counts),
        )
        rules = Counter[str]()
        for written, _ in self._written:
            rules.update(written.broken_rules)
        schema = self.asset.schema
        yield dg.AssetCheckResult(
            check_name="under_contract",
            passed=self._all_passed("under_contract"),
            metadata={"contract": schema.__name__, "quarantined": counts["quarantined"], **rules},
            description=f"{counts['quarantined']} of {counts['rows in']} rows are in quarantine, "
            f"{sum(rules[rule] for rule in WISHED_RULES)} of them by allowed_licences; "
            f"at most {self._project.recipe.maximum_quarantine:.1%} of the rest may be",
        )
        yield from rule_results(schema, rules)
