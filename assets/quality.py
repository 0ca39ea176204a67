"""Which unique records are good enough, and the corpus that remains."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl

from fineline.assets.corpus import raw_corpus, scrubbed_corpus
from fineline.assets.duplicates import duplicate_clusters
from fineline.assets.execution.definition import OWNERS, checks, contract
from fineline.assets.execution.inputs import made_when_changed
from fineline.assets.execution.tables import TableStage
from fineline.data_contracts.curation import LabelIssue, RecordQuality
from fineline.data_contracts.records import CuratedRecord
from fineline.resources.core.presentation.plots import bar_chart, histogram
from fineline.resources.core.presentation.progress import every_few_seconds
from fineline.resources.core.presentation.tables import counts_by, frame_table
from fineline.resources.core.storage.tables import TableOutput
from fineline.resources.data.curation.composition import composition
from fineline.resources.data.curation.curate import curate
from fineline.resources.project import Project

SHOWN_LABELS = 20


@dg.asset(
    group_name="curation",
    kinds={"polars"},
    owners=OWNERS,
    code_version="1",
    deps=[scrubbed_corpus, duplicate_clusters],
    metadata=contract(RecordQuality, "quality"),
    check_specs=checks("record_quality"),
)
@made_when_changed
def record_quality(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
    """Quality scores of every unique record, and the first named rule that it failed, if any.

    Guarantees: scores are kept for all; the recipe's thresholds decide, and a failed rule has a name.
    """
    from fineline.resources.data.quality.scoring import score_unique

    stage = TableStage(context, project, RecordQuality)
    clusters = stage.read("duplicate_clusters")
    scored = score_unique(
        stage.scan("scrubbed_corpus"),
        clusters,
        stage.recipe.quality,
        stage.reusable_rows("scrubbed_corpus"),
        every_few_seconds(context.log.info, "records measured"),
    )
    failed = scored.drop_nulls("failed_rule").group_by("failed_rule").len().sort("len", descending=True)
    rules = {str(rule): float(count) for rule, count in failed.iter_rows()}
    stage.write(
        TableOutput(
            scored, rows_in=int(clusters["representative"].sum()), facts={"failed": sum(int(n) for n in rules.values())}
        ),
        metadata={
            "failed rules": dg.MetadataValue.md(
                bar_chart("Records that failed a rule", rules, "records") if rules else "none"
            ),
            "lengths": dg.MetadataValue.md(
                histogram(
                    "Words in a completion",
                    scored["words"].clip(upper_bound=600).to_list(),
                    "words (600 and more in the last bar)",
                )
            ),
        },
    )
    yield from stage.results()


@dg.asset(
    group_name="curation",
    kinds={"cleanlab", "scikitlearn"},
    owners=OWNERS,
    code_version="2",
    deps=[scrubbed_corpus, duplicate_clusters, record_quality],
    metadata=contract(LabelIssue, "labels"),
    check_specs=checks("label_issues"),
)
@made_when_changed
def label_issues(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
    """Labelled records that a person should look at: the label fits badly, or the text is unlike all others.

    Guarantees: judged by a model that did not see the record; nothing is dropped by it.
    """
    from fineline.resources.data.curation.label_reuse import LABEL_COLUMNS, Judged, judge_labels

    stage = TableStage(context, project, LabelIssue)
    passed = stage.scan("record_quality").filter(pl.col("failed_rule").is_null()).select("record_id").collect()
    stays = stage.read("duplicate_clusters").filter("representative").join(passed, on="record_id", how="semi")
    labelled = stage.scan("scrubbed_corpus").select(LABEL_COLUMNS).filter(pl.col("label").is_not_null())
    issues_before, known = stage.before(), stage.reusable_rows("scrubbed_corpus", "features")
    judged = judge_labels(
        labelled.join(stays.lazy(), on=["record_id", "batch"], how="semi").collect(),
        stage.recipe.labels,
        None if issues_before is None or known is None else Judged(issues_before, known),
        every_few_seconds(context.log.info, "texts embedded"),
    )
    issues = judged.issues
    by_label = issues.filter("is_issue").group_by("source", "label", "suggested_label").len("records")
    shown = by_label.sort("records", "source", "label", "suggested_label", descending=[True, False, False, False])
    stage.write(
        TableOutput(
            issues,
            rows_in=issues.height,
            side_tables={"features": judged.features},
            facts={"issues": int(issues["is_issue"].sum()), "outliers": int(issues["is_outlier"].sum())},
        ),
        metadata={"labels that do not fit": dg.MetadataValue.md(frame_table(shown.head(SHOWN_LABELS)))},
    )
    yield from stage.results()


@dg.asset(
    group_name="curation",
    kinds={"polars"},
    owners=OWNERS,
    code_version="2",
    deps=[raw_corpus, scrubbed_corpus, duplicate_clusters, record_quality],
    metadata=contract(CuratedRecord, "decontaminate", "balance.topics"),
    check_specs=checks("curated_corpus"),
)
@made_when_changed
def curated_corpus(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
    """The records that are unique, passed every quality rule and repeat no evaluation set: what may be trained on.

    Guarantees: each record that is not here is in this asset's drops, with the rule that stopped it.
    """
    stage = TableStage(context, project, CuratedRecord)
    clusters, quality = stage.read("duplicate_clusters"), stage.read("record_quality")
    made = curate(stage.read("scrubbed_corpus"), clusters, quality, _contaminated(stage, clusters, quality))
    rules = {rule: float(count) for rule, count in counts_by(made.drops, "rule").items()}
    stage.write(
        made,
        metadata={
            "drops": dg.MetadataValue.md(bar_chart("Dropped by rule", rules, "records") if rules else "none"),
            "balance": dg.MetadataValue.md(frame_table(composition(made.frame))),
            **_topics(stage, made.frame),
        },
    )
    yield from stage.results()


def _contaminated(stage: TableStage, clusters: pl.DataFrame, quality: pl.DataFrame) -> pl.DataFrame | None:
    """Records that repeat evaluation sets, compared as they came in: scrubbing changes words on one side only."""
    from fineline.resources.data.curation.contamination import contaminated, evaluation_set

    section = stage.recipe.decontaminate
    if not section.against:
        return None
    passed = clusters.filter("representative").join(quality.filter(pl.col("failed_rule").is_null()), on="record_id")
    came_in = stage.scan("raw_corpus").select("record_id", "batch", "kind", "prompt", "completion", "rejected")
    records = came_in.join(passed.lazy(), on=["record_id", "batch"], how="semi").collect()
    sets = {source.name: evaluation_set(source) for source in section.against}
    found = contaminated(records, sets, section)
    stage.context.log.info(f"{found.height:,} of {records.height:,} records repeat {', '.join(sets)}")
    return found


def _topics(stage: TableStage, curated: pl.DataFrame) -> dict[str, Any]:
    number = stage.recipe.balance.topics
    if number is None:
        return {}
    from fineline.resources.data.curation.composition import topics

    found = topics(curated, number, every_few_seconds(stage.context.log.info, "texts embedded"))
    return {"topics": dg.MetadataValue.md(frame_table(found))}
