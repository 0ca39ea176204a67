"""The corpus that remains: unique, of quality, and repeating no evaluation set."""

from __future__ import annotations

from typing import Any

import dagster as dg
import polars as pl

from fineline.assets.execution.definition import table
from fineline.assets.execution.tables import TableRun
from fineline.data_contracts import catalog
from fineline.resources.core.presentation.plots import bar_chart
from fineline.resources.core.presentation.tables import counts_by, frame_table
from fineline.resources.core.recipe.curation import Decontaminate
from fineline.resources.data.curation.composition import composition
from fineline.resources.data.curation.version import CURATED_CORPUS_VERSION


@table(catalog.CURATED_CORPUS, version=CURATED_CORPUS_VERSION, reads={"topics": "balance.topics"})
def curated_corpus(run: TableRun, decontaminate: Decontaminate, topics: int | None) -> None:
    """The records that are unique, passed every quality rule and repeat no evaluation set: what may be trained on.

    Guarantees: each record that is not here is in this asset's drops, with the rule that stopped it.
    """
    from fineline.resources.data.curation.curate import curate

    clusters, quality = run.read(catalog.DUPLICATE_CLUSTERS.name), run.read(catalog.RECORD_QUALITY.name)
    repeats = _contaminated(run, decontaminate, clusters, quality)
    output = curate(run.read(catalog.SCRUBBED_CORPUS.name), clusters, quality, repeats)
    rules = {rule: float(count) for rule, count in counts_by(output.drops, "rule").items()}
    run.write(
        output,
        metadata={
            "drops": dg.MetadataValue.md(bar_chart("Dropped by rule", rules, "records")),
            "balance": dg.MetadataValue.md(frame_table(composition(output.frame))),
            **_topics(run, output.frame, topics),
        },
    )


def _contaminated(
    run: TableRun, decontaminate: Decontaminate, clusters: pl.DataFrame, quality: pl.DataFrame
) -> pl.DataFrame | None:
    """Records that repeat evaluation sets, compared as they came in: scrubbing changes words on one side only."""
    from fineline.resources.data.curation.contamination import contaminated, evaluation_set

    if not decontaminate.against:
        return None
    passed = clusters.filter("representative").join(quality.filter(pl.col("failed_rule").is_null()), on="record_id")
    columns = ["record_id", "batch", "kind", "prompt", "completion", "rejected"]
    came_in = run.scan(catalog.RAW_CORPUS.name).select(columns)
    records = came_in.join(passed.lazy(), on=["record_id", "batch"], how="semi").collect()
    sets = {source.name: evaluation_set(source) for source in decontaminate.against}
    found = contaminated(records, sets, decontaminate)
    run.log.info(f"{found.height:,} of {records.height:,} records repeat {', '.join(sets)}")
    return found


def _topics(run: TableRun, curated: pl.DataFrame, number: int | None) -> dict[str, Any]:
    if number is None:
        return {}
    from fineline.resources.data.curation.composition import topics

    found = topics(curated, number, run.progress("texts embedded"))
    return {"topics": dg.MetadataValue.md(frame_table(found))}
