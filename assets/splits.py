"""The split of every curated record."""

from __future__ import annotations

import dataclasses

import polars as pl

from fineline.assets.execution.definition import asset
from fineline.assets.execution.shown import frame_table
from fineline.assets.execution.tables import TableRun
from fineline.data_contracts import catalog
from fineline.resources.core.presentation.tables import counts_by
from fineline.resources.core.recipe.curation import Decontaminate, Deduplicate, Split
from fineline.resources.core.storage.integrity import read_last_whole
from fineline.resources.core.storage.tables import TableOutput, dropped
from fineline.resources.data.splitting.assignment import Assigned, assign
from fineline.resources.data.splitting.history import extend, follow_clusters
from fineline.resources.data.splitting.proportions import by_dimension, misfits
from fineline.resources.data.splitting.version import VERSION


@asset(
    catalog.SPLITS,
    version=VERSION,
    checks={
        "nothing_leaks": "Recomputed from the tables: no group, cluster, prompt or near-duplicate pair crosses splits, "
        "no training record repeats a held-out prompt, and no record has moved between train and test."
    },
)
def splits(run: TableRun, split: Split, decontaminate: Decontaminate, deduplicate: Deduplicate) -> None:
    """The split of every curated record: one assignment for SFT, preference and evaluation sets.

    Guarantees: groups, near-duplicates and answers to one prompt stay together; a record once in train is never
    in test; a new record that would tie train to test is in neither, with its reason; strata keep their
    proportions where group sizes allow, and those that do not are named.
    """
    curated = run.read(catalog.CURATED_CORPUS.name)
    # After the last assignment that did not leak.
    history = read_last_whole(run.storage, run.name, "history")
    before = None if history is None else follow_clusters(history, run.read(catalog.DUPLICATE_CLUSTERS.name))
    assigned = assign(curated, split, before)
    repeats = _repeats(run, curated, assigned.records, decontaminate)
    assigned = assigned._replace(records=assigned.records.join(repeats, on="record_id", how="anti"))
    placed = curated.join(assigned.excluded, on="record_id", how="anti")
    leaks = _leaks(run, placed, repeats, assigned.records, before, split, decontaminate, deduplicate)
    run.check("nothing_leaks", not any(leaks.values()), metadata=leaks)
    kept = history if any(leaks.values()) else extend(history, assigned.history)
    _write(run, curated, assigned, repeats, kept, split)


def _repeats(
    run: TableRun, curated: pl.DataFrame, assignment: pl.DataFrame, decontaminate: Decontaminate
) -> pl.DataFrame:
    """The records in train that repeat a prompt of validation or test."""
    from fineline.resources.data.curation.decontamination import repeats_of_held_out_prompts

    if not decontaminate.held_out_prompts:
        return curated.clear()
    placed = curated.select("record_id", "batch").join(assignment.select("record_id", "split"), on="record_id")
    snapshot, report = run.snapshot(catalog.CURATED_CORPUS), run.progress("records compared")
    with run.scratch() as scratch:
        found = repeats_of_held_out_prompts(snapshot, placed, decontaminate, scratch, run.engine, report)
    return curated.join(found, on="record_id", how="semi", maintain_order="left")


def _leaks(
    run: TableRun,
    placed: pl.DataFrame,
    repeats: pl.DataFrame,
    assignment: pl.DataFrame,
    before: pl.DataFrame | None,
    split: Split,
    decontaminate: Decontaminate,
    deduplicate: Deduplicate,
) -> dict[str, int]:
    """What leaks between the splits of the placed records without the ``repeats``, and since the assignment before."""
    from fineline.resources.data.splitting.leakage import measure_leakage, repeated_prompts

    signatures, kept = run.read(catalog.MINHASH_SIGNATURES.name), placed.join(repeats, on="record_id", how="anti")
    prompts = split.keep_equal_prompts_together
    leaks = dataclasses.asdict(measure_leakage(kept, assignment, deduplicate, signatures, before, prompts=prompts))
    if decontaminate.held_out_prompts:
        leaks["repeated_prompts"] = repeated_prompts(placed, assignment, decontaminate)
    return leaks


def _write(
    run: TableRun,
    curated: pl.DataFrame,
    assigned: Assigned,
    repeats: pl.DataFrame,
    history: pl.DataFrame | None,
    split: Split,
) -> None:
    assignment = assigned.records
    drops = [
        dropped(assigned.excluded, run.name, pl.col("rule"), pl.col("detail")),
        dropped(repeats, run.name, "contaminated", pl.lit("repeats a prompt of validation or test")),
    ]
    facts = {
        **counts_by(assignment, "split"),
        "excluded": assigned.excluded.height,
        "train records that repeat held-out prompts": repeats.height,
    }
    side_tables = {} if history is None else {"history": history}
    unfit = misfits(assignment, split)
    run.write(
        TableOutput(assignment, curated.height, pl.concat(drops), side_tables=side_tables, facts=facts),
        metadata={
            "proportions": frame_table(by_dimension(assignment, curated, split)),
            "strata that miss a share by more than 1 point": unfit.height,
            "why they miss it": frame_table(unfit),
        },
    )
