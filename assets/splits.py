"""Where every record stands: in one split, and in one line of the ledger."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl

from fineline.assets.corpus import raw_corpus, scrubbed_corpus
from fineline.assets.duplicates import duplicate_clusters, minhash_signatures
from fineline.assets.execution.definition import OWNERS, checks, contract
from fineline.assets.execution.inputs import made_when_changed
from fineline.assets.execution.tables import TableStage
from fineline.assets.quality import curated_corpus
from fineline.data_contracts.accounting import LedgerEntry
from fineline.data_contracts.curation import SplitAssignment
from fineline.resources.core.presentation.plots import bar_chart
from fineline.resources.core.presentation.tables import counts_by, frame_table
from fineline.resources.core.storage.integrity import last_whole
from fineline.resources.core.storage.tables import TableOutput, dropped
from fineline.resources.data.splitting.history import extend, follow_clusters
from fineline.resources.governance.accounting.funnel import funnel, reasons
from fineline.resources.project import Project

SHOWN = 40  # rows of a table that people look at


@dg.asset(
    group_name="curation",
    kinds={"polars"},
    owners=OWNERS,
    code_version="3",
    deps=[curated_corpus, duplicate_clusters, minhash_signatures],
    metadata=contract(
        SplitAssignment,
        "split",
        "decontaminate.ngram",
        "decontaminate.maximum_repeats",
        "decontaminate.held_out_prompts",
    ),
    check_specs=checks(
        "splits",
        nothing_leaks="Recomputed from the tables: no group, cluster, prompt or near-duplicate pair crosses splits, no "
        "training record repeats a held-out prompt, and no record has moved between train and test.",
    ),
)
@made_when_changed
def splits(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
    """The split of every curated record: one assignment for SFT, preference and evaluation sets.

    Guarantees: groups, near-duplicates and answers to one prompt stay together; a record once in train is never
    in test; a new record that would tie train to test is in neither, with its reason; strata keep their
    proportions where group sizes allow, and those that do not are named.
    """
    from fineline.resources.data.curation.contamination import repeats_of_held_out_prompts
    from fineline.resources.data.splitting.assignment import assign
    from fineline.resources.data.splitting.leakage import measure_leakage, repeated_prompts
    from fineline.resources.data.splitting.proportions import by_dimension, misfits

    stage = TableStage(context, project, SplitAssignment)
    section = stage.recipe.split
    curated, history = stage.read("curated_corpus"), _history(stage)
    before = None if history is None else follow_clusters(history, stage.read("duplicate_clusters"))
    assigned = assign(curated, section, before)
    repeats = curated.clear()
    if stage.recipe.decontaminate.held_out_prompts:
        repeats = repeats_of_held_out_prompts(curated, assigned.records, stage.recipe.decontaminate)
    assignment = assigned.records.join(repeats, on="record_id", how="anti")
    placed = curated.join(assigned.excluded, on="record_id", how="anti")
    leakage = measure_leakage(
        placed.join(repeats, on="record_id", how="anti"),
        assignment,
        stage.recipe.deduplicate,
        stage.read("minhash_signatures"),
        before,
        prompts=section.keep_equal_prompts_together,
    )
    leaks = dataclasses.asdict(leakage)
    if stage.recipe.decontaminate.held_out_prompts:
        leaks["repeated_prompts"] = repeated_prompts(placed, assignment, stage.recipe.decontaminate)
    kept = history if any(leaks.values()) else extend(history, assigned.history)
    unfit = misfits(assignment, section)
    shares = by_dimension(assignment, curated, section)
    stage.write(
        TableOutput(
            assignment,
            rows_in=curated.height,
            drops=pl.concat(
                [
                    dropped(assigned.excluded, "splits", pl.col("rule"), pl.col("detail")),
                    dropped(repeats, "splits", "contaminated", pl.lit("repeats a prompt of validation or test")),
                ]
            ),
            side_tables={} if kept is None else {"history": kept},
            facts={
                **counts_by(assignment, "split"),
                "excluded": assigned.excluded.height,
                "train records that repeat held-out prompts": repeats.height,
            },
        ),
        failed_checks=["nothing_leaks"] if any(leaks.values()) else [],
        metadata={
            "proportions": dg.MetadataValue.md(frame_table(shares.head(SHOWN))),
            "strata that miss a share by more than 1 point": unfit.height,
            "why they miss it": dg.MetadataValue.md(frame_table(unfit.head(SHOWN))),
        },
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
@made_when_changed
def record_ledger(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
    """Where every record that ever came in is now, or which rule dropped it and why.

    Guarantees: one entry for each row as it was read, counted before anything was kept or dropped.
    """
    from fineline.resources.governance.accounting.ledger import build, find_gaps

    stage = TableStage(context, project, LedgerEntry)
    raw = stage.read("raw_corpus", role="rows_read")
    drops = pl.concat(
        [stage.read(name, role="drops") for name in ("raw_corpus", "scrubbed_corpus", "curated_corpus", "splits")]
    )
    ledger = build(raw, drops, stage.read("curated_corpus"), stage.read("splits"))
    gaps = dataclasses.asdict(find_gaps(ledger, raw, drops))
    stage.write(
        TableOutput(ledger, rows_in=raw.height),
        failed_checks=["sums_close"] if any(gaps.values()) else [],
        metadata={
            "funnel": dg.MetadataValue.md(bar_chart("From what came in to the splits", funnel(ledger), "records")),
            "drop reasons": dg.MetadataValue.md(bar_chart("Why records are in no split", reasons(ledger), "records")),
        },
    )
    yield from stage.results(dg.AssetCheckResult(check_name="sums_close", passed=not any(gaps.values()), metadata=gaps))


def _history(stage: TableStage) -> pl.DataFrame | None:
    """The history after the last assignment that did not leak."""
    path = last_whole(stage.storage, stage.asset, "history")
    return None if path is None else pl.read_parquet(path)
