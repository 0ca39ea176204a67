"""Which unique records are good enough, and which labels a person should look at."""

from __future__ import annotations

import dagster as dg
import polars as pl

from fineline.assets.execution.definition import asset
from fineline.assets.execution.shown import frame_table
from fineline.assets.execution.tables import TableRun
from fineline.data_contracts import catalog
from fineline.resources.core.presentation.plots import bar_chart, histogram
from fineline.resources.core.recipe.curation import Labels, Quality
from fineline.resources.core.storage.tables import TableOutput
from fineline.resources.data.curation.version import LABEL_ISSUES_VERSION
from fineline.resources.data.quality.version import VERSION


@asset(catalog.RECORD_QUALITY, version=VERSION)
def record_quality(run: TableRun, quality: Quality) -> None:
    """Quality scores of every unique record, and the first named rule that it failed, if any.

    Guarantees: scores are kept for all; the recipe's thresholds decide, and a failed rule has a name.
    """
    from fineline.resources.data.quality.scoring import Scoring

    reusable = frozenset(run.unchanged_batches(catalog.SCRUBBED_CORPUS.name))
    before = [catalog.RECORD_QUALITY] if reusable else []
    snapshot = run.snapshot(catalog.SCRUBBED_CORPUS, catalog.DUPLICATE_CLUSTERS, *before)
    parts = Scoring(snapshot, quality, reusable).parts(run.engine, run.batches, run.progress("records scored"))
    run.write(parts, metadata=lambda: _quality_plots(run.stored()))


@asset(catalog.LABEL_ISSUES, version=LABEL_ISSUES_VERSION, kinds={"cleanlab", "scikitlearn"})
def label_issues(run: TableRun, labels: Labels) -> None:
    """Labelled records that a person should look at: the label fits badly, or the text is unlike all others.

    Guarantees: judged by a model that did not see the record; nothing is dropped by it.
    """
    from fineline.resources.data.curation.embeddings import Encoding
    from fineline.resources.data.curation.label_reuse import Judged, judge_labels

    issues, features = run.previous(), run.previous("features")
    before = None
    if issues is not None and features is not None:
        unchanged = run.unchanged_batches(catalog.SCRUBBED_CORPUS.name)
        before = Judged(issues, features.filter(pl.col("batch").is_in(unchanged)))
    with run.scratch() as scratch:
        encode = Encoding(scratch).encode(run.engine)
        judged = judge_labels(_labelled(run), labels, before, run.progress("texts embedded"), encode)
    found = judged.issues
    facts = {"issues": int(found["is_issue"].sum()), "outliers": int(found["is_outlier"].sum())}
    output = TableOutput(found, rows_in=found.height, side_tables={"features": judged.features}, facts=facts)
    run.write(output, metadata={"labels that do not fit": _misfits(found)})


def _quality_plots(scored: pl.LazyFrame) -> dict[str, dg.MetadataValue]:
    columns = scored.select("failed_rule", pl.col("words").clip(upper_bound=600)).collect()
    failed = columns.drop_nulls("failed_rule").group_by("failed_rule").len()
    rules = {str(rule): float(count) for rule, count in failed.sort("len", "failed_rule", descending=True).iter_rows()}
    words = columns["words"].to_list()
    return {
        "failed rules": dg.MetadataValue.md(bar_chart("Records that failed a rule", rules, "records")),
        "lengths": dg.MetadataValue.md(
            histogram("Words in a completion", words, "words (600 and more in the last bar)")
        ),
    }


def _labelled(run: TableRun) -> pl.DataFrame:
    """The labelled records that are unique and passed every quality rule."""
    from fineline.resources.data.curation.label_reuse import LABEL_COLUMNS

    passed = run.scan(catalog.RECORD_QUALITY.name).filter(pl.col("failed_rule").is_null())
    labelled = run.scan(catalog.SCRUBBED_CORPUS.name).select(LABEL_COLUMNS).filter(pl.col("label").is_not_null())
    return labelled.join(passed, on=["record_id", "batch"], how="semi").collect()


def _misfits(issues: pl.DataFrame) -> dg.MetadataValue:
    """The labels that most often do not fit, with what would."""
    by_label = issues.filter("is_issue").group_by("source", "label", "suggested_label").len("records")
    shown = by_label.sort("records", "source", "label", "suggested_label", descending=[True, False, False, False])
    return frame_table(shown)
