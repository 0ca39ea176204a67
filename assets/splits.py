"""Where every record stands: in one split, and in one line of the ledger."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl

from fineline.assets.corpus import raw_corpus, scrubbed_corpus
from fineline.assets.duplicates import duplicate_clusters, minhash_signatures
from fineline.assets.quality import curated_corpus
from fineline.assets.stages import TableStage
from fineline.assets.standards import OWNERS, checks, contract
from fineline.data_contracts.accounting import LedgerEntry
from fineline.data_contracts.curation import SplitAssignment
from fineline.resources.curation import counts_by, funnel
from fineline.resources.plots import bar_chart
from fineline.resources.project import Project
from fineline.resources.samples import frame_table
from fineline.resources.tables import Made


@dg.asset(
    group_name="curation",
    kinds={"polars"},
    owners=OWNERS,
    code_version="1",
    deps=[curated_corpus, duplicate_clusters, minhash_signatures],
    metadata=contract(SplitAssignment, "split"),
    check_specs=checks(
        "splits",
        nothing_leaks="Recomputed from the tables: no group, cluster or near-duplicate pair crosses splits, and no "
        "record has moved between train and test.",
    ),
)
def splits(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
    """The split of every curated record: one assignment for SFT, preference and evaluation sets.

    Guarantees: groups and near-duplicates stay together; a record once in train is never in test; strata keep
    their proportions where group sizes allow.
    """
    from fineline.resources.leakage import measure
    from fineline.resources.splitter import assign, proportions

    stage = TableStage(context, project, SplitAssignment)
    curated, before = stage.read("curated_corpus"), _previous(stage)
    assignment = assign(curated, stage.recipe.split, before)
    leakage = measure(curated, assignment, stage.recipe.deduplicate, stage.read("minhash_signatures"), before)
    leaks = dataclasses.asdict(leakage)
    trusted = assignment if not any(leaks.values()) else before
    shares = proportions(assignment, stage.recipe.split)
    stage.write(
        Made(
            assignment,
            rows_in=curated.height,
            beside={} if trusted is None else {"trusted": trusted},
            facts=counts_by(assignment, "split"),
        ),
        failed_checks=["nothing_leaks"] if any(leaks.values()) else [],
        metadata={"proportions": dg.MetadataValue.md(frame_table(shares))},
    )
    yield from stage.results(
        dg.AssetCheckResult(check_name="nothing_leaks", passed=not any(leaks.values()), metadata=leaks)
    )


@dg.asset(
    group_name="curation",
    kinds={"polars"},
    owners=OWNERS,
    code_version="1",
    deps=[raw_corpus, scrubbed_corpus, curated_corpus, splits],
    metadata=contract(LedgerEntry),
    check_specs=checks(
        "record_ledger",
        sums_close="Every row that ever came in stands in the ledger exactly once, and nothing else does.",
    ),
)
def record_ledger(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
    """Where every record that ever came in is now, or which rule dropped it and why.

    Guarantees: one entry for each row as it was read, counted before anything was kept or dropped.
    """
    from fineline.resources.ledger import build, find_gaps

    stage = TableStage(context, project, LedgerEntry)
    raw = stage.read("raw_corpus", role="arrivals")
    drops = pl.concat(
        [stage.read(name, role="drops") for name in ("raw_corpus", "scrubbed_corpus", "curated_corpus", "splits")]
    )
    ledger = build(raw, drops, stage.read("curated_corpus"), stage.read("splits"))
    gaps = dataclasses.asdict(find_gaps(ledger, raw, drops))
    stage.write(
        Made(ledger, rows_in=raw.height),
        failed_checks=["sums_close"] if any(gaps.values()) else [],
        metadata={"funnel": dg.MetadataValue.md(bar_chart("Where the records went", funnel(ledger), "records"))},
    )
    yield from stage.results(dg.AssetCheckResult(check_name="sums_close", passed=not any(gaps.values()), metadata=gaps))


def _previous(stage: TableStage) -> pl.DataFrame | None:
    """The last assignment that did not leak: records that it names keep their split, and so do their clusters."""
    from fineline.resources.splitter import follow_clusters

    manifest = stage.storage.manifest(stage.asset)
    if manifest is None or "trusted" not in manifest.files:
        return None
    assignment = pl.read_parquet(stage.storage.file(manifest, "trusted"))
    return follow_clusters(assignment, stage.read("duplicate_clusters"))
