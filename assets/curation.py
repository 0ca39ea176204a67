"""The corpus that remains: unique, of quality, and repeating no evaluation set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from fineline.assets.execution.definition import asset
from fineline.assets.execution.shown import frame_table
from fineline.assets.execution.tables import TableRun
from fineline.data_contracts import catalog
from fineline.resources.core.presentation.plots import bar_chart
from fineline.resources.core.presentation.tables import counts_by
from fineline.resources.core.recipe.curation import Decontaminate
from fineline.resources.data.curation.composition import composition
from fineline.resources.data.curation.version import CURATED_CORPUS_VERSION


@asset(catalog.CURATED_CORPUS, version=CURATED_CORPUS_VERSION, reads={"topics": "balance.topics"})
def curated_corpus(run: TableRun, decontaminate: Decontaminate, topics: int | None) -> None:
    """The records that are unique, passed every quality rule and repeat no evaluation set: what may be trained on.

    Guarantees: each record that is not here is in this asset's drops, with the rule that stopped it.
    """
    from fineline.resources.data.curation.curate import Curating

    snapshot = run.snapshot(catalog.SCRUBBED_CORPUS, catalog.DUPLICATE_CLUSTERS, catalog.RECORD_QUALITY)
    curating = Curating(snapshot, _contaminated(run, decontaminate))
    parts = curating.parts(run.engine, run.batches, run.progress("records curated"))
    run.write(parts, metadata=lambda: _metadata(run, topics))


def _contaminated(run: TableRun, decontaminate: Decontaminate) -> Mapping[str, str]:
    """The records that repeat evaluation sets, with the names of these.

    Compared are raw records, because scrubbing changes words on one side only.
    """
    from fineline.resources.data.curation.decontamination import Chosen, repeats_of_evaluation_sets

    if not decontaminate.against:
        return {}
    passed = run.scan(catalog.RECORD_QUALITY.name).filter(pl.col("failed_rule").is_null())
    with run.scratch() as scratch:
        names = scratch.put(passed.select("record_id", "batch").collect())
        chosen = Chosen(run.snapshot(catalog.RAW_CORPUS), catalog.RAW_CORPUS.name, scratch, names)
        found = repeats_of_evaluation_sets(chosen, decontaminate, run.engine, run.progress("records compared"))
    sets = ", ".join(source.name for source in decontaminate.against)
    run.log.info(f"{found.height:,} records repeat {sets}")
    return dict(found.iter_rows())


def _metadata(run: TableRun, topics: int | None) -> dict[str, Any]:
    curated, drops = run.stored(), run.stored("drops")
    rules = {str(rule): float(count) for rule, count in counts_by(drops.select("rule").collect(), "rule").items()}
    return {
        "drops": dg.MetadataValue.md(bar_chart("Dropped by rule", rules, "records")),
        "balance": frame_table(composition(curated)),
        **_topics(run, curated, topics),
    }


def _topics(run: TableRun, curated: pl.LazyFrame, number: int | None) -> dict[str, Any]:
    from fineline.resources.data.curation.composition import topics
    from fineline.resources.data.curation.embeddings import Encoding

    if number is None:
        return {}
    with run.scratch() as scratch:
        encode = Encoding(scratch).encode(run.engine)
        found = topics(curated, number, run.progress("texts embedded"), encode)
    return {"topics": frame_table(found)}
