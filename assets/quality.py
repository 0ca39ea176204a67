"""Which unique records are good enough, and the corpus that remains."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl

from fineline.assets.corpus import scrubbed_corpus
from fineline.assets.duplicates import duplicate_clusters
from fineline.assets.stages import TableStage
from fineline.assets.standards import OWNERS, checks, contract
from fineline.data_contracts.curation import LabelIssue, RecordQuality
from fineline.data_contracts.records import CuratedRecord
from fineline.resources.curation import counts_by, curate, unique_records
from fineline.resources.plots import bar_chart, histogram
from fineline.resources.project import Project
from fineline.resources.tables import Made


@dg.asset(
    group_name="curation",
    kinds={"polars"},
    owners=OWNERS,
    code_version="1",
    deps=[scrubbed_corpus, duplicate_clusters],
    metadata=contract(RecordQuality, "quality"),
    check_specs=checks("record_quality"),
)
def record_quality(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
    """Quality scores of every unique record, and the first named rule that it failed, if any.

    Guarantees: scores are kept for all; the recipe's thresholds decide, and a failed rule has a name.
    """
    from fineline.resources.quality import score

    stage = TableStage(context, project, RecordQuality)
    unique = unique_records(stage.read("scrubbed_corpus"), stage.read("duplicate_clusters"))
    scored = score(unique, stage.recipe.quality)
    failed = scored.drop_nulls("failed_rule").group_by("failed_rule").len().sort("len", descending=True)
    rules = {str(rule): float(count) for rule, count in failed.iter_rows()}
    stage.write(
        Made(scored, rows_in=unique.height, facts={"failed": sum(int(n) for n in rules.values())}),
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
    code_version="1",
    deps=[scrubbed_corpus, duplicate_clusters, record_quality],
    metadata=contract(LabelIssue, "quality"),
    check_specs=checks("label_issues"),
)
def label_issues(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
    """Records whose label fits their text badly, by out-of-sample probabilities (cleanlab).

    Guarantees: nothing is dropped by it; it says where a person should look.
    """
    from fineline.resources.label_errors import find_label_issues

    stage = TableStage(context, project, LabelIssue)
    passed = stage.scan("record_quality").filter(pl.col("failed_rule").is_null()).select("record_id").collect()
    issues = find_label_issues(
        unique_records(stage.read("scrubbed_corpus"), stage.read("duplicate_clusters")).join(
            passed, on="record_id", how="semi"
        ),
        stage.recipe.quality,
    )
    flagged = int(issues["is_issue"].sum())
    stage.write(Made(issues, rows_in=issues.height, facts={"issues": flagged}))
    yield from stage.results()


@dg.asset(
    group_name="curation",
    kinds={"polars"},
    owners=OWNERS,
    code_version="2",
    deps=[scrubbed_corpus, duplicate_clusters, record_quality],
    metadata=contract(CuratedRecord),
    check_specs=checks("curated_corpus"),
)
def curated_corpus(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
    """The records that are unique and passed every quality rule: what may be trained on.

    Guarantees: each record that is not here is in this asset's drops, with the rule that stopped it.
    """
    stage = TableStage(context, project, CuratedRecord)
    made = curate(stage.read("scrubbed_corpus"), stage.read("duplicate_clusters"), stage.read("record_quality"))
    stage.write(
        made,
        metadata={
            "drops": dg.MetadataValue.md(
                bar_chart(
                    "Dropped by rule",
                    {k: float(v) for k, v in counts_by(made.drops, "rule").items()},
                    "records",
                )
            )
        },
    )
    yield from stage.results()
