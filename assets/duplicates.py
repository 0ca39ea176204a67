"""Which records say the same: signatures of each batch, clusters over all."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl

from fineline.assets.corpus import scrubbed_corpus
from fineline.assets.execution.definition import ALL_MISSING_IN_ONE_STEP, BATCHES, OWNERS, checks, contract
from fineline.assets.execution.inputs import made_when_changed
from fineline.assets.execution.tables import TableStage
from fineline.data_contracts.curation import DuplicateCluster, Signature
from fineline.resources.core.presentation.plots import bar_chart
from fineline.resources.core.presentation.progress import every_few_seconds
from fineline.resources.core.storage.tables import TableOutput
from fineline.resources.project import Project

# Records in memory at once while they are signed.
SIGNED_AT_ONCE = 50_000


@dg.asset(
    group_name="corpus",
    kinds={"polars", "datasketch"},
    owners=OWNERS,
    code_version="2",
    partitions_def=BATCHES,
    backfill_policy=ALL_MISSING_IN_ONE_STEP,
    deps=[scrubbed_corpus],
    metadata=contract(Signature, "deduplicate"),
    check_specs=checks("minhash_signatures"),
)
@made_when_changed
def minhash_signatures(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
    """The MinHash signature and the content hash of each record of a batch.

    Guarantees: the values are datasketch's for the same tokens, permutations and seed; a new batch costs only
    its own signatures.
    """
    stage = TableStage(context, project, Signature)
    for batch in stage.changed():
        stage.write(_signed(stage, batch), batch)
    yield from stage.results()


@dg.asset(
    group_name="curation",
    kinds={"polars", "datasketch"},
    owners=OWNERS,
    code_version="2",
    deps=[scrubbed_corpus, minhash_signatures],
    metadata=contract(DuplicateCluster, "deduplicate"),
    check_specs=checks(
        "duplicate_clusters",
        duplicates_are_verified="A sample of the removed near-duplicates is compared again, by shingle sets built "
        "anew: each has a member of its cluster at or above deduplicate.threshold.",
    ),
)
@made_when_changed
def duplicate_clusters(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
    """The near-duplicate cluster of every record, and the one record of each cluster that stays.

    Guarantees: candidates from MinHash are confirmed by true Jaccard similarity; two answers to one prompt are
    no duplicates; the representative does not depend on the order of the input; cluster, similarity and reason
    are kept for each removed record. Of a corpus that grew, only the text of new candidates is read.
    """
    from fineline.resources.data.deduplication.clusters import cluster_size_bands, find_clusters, similarity_bands
    from fineline.resources.data.deduplication.spot_check import unverified

    stage = TableStage(context, project, DuplicateCluster)
    section, records = stage.recipe.deduplicate, stage.scan("scrubbed_corpus")
    signatures, known = stage.scan("minhash_signatures"), _measured_before(stage)
    clusters = find_clusters(records, signatures, section, known, context.log.info)
    table, wrong = clusters.table, unverified(records, clusters.table, section)
    rows_in = records.select(pl.len()).collect().item()
    removed = table.filter(~pl.col("representative"))
    stage.write(
        TableOutput(
            table,
            rows_in=rows_in,
            side_tables={"pairs": clusters.pairs},
            facts={
                "duplicates": removed.height,
                "pairs measured": clusters.fresh,
            },
        ),
        failed_checks=["duplicates_are_verified"] if wrong else [],
        metadata={
            "cluster sizes": dg.MetadataValue.md(
                bar_chart("Records by size of their cluster", cluster_size_bands(table), "records")
            ),
            "similarities": dg.MetadataValue.md(
                bar_chart("Removed records by similarity to their cluster", similarity_bands(table), "records")
            ),
        },
    )
    yield from stage.results(
        dg.AssetCheckResult(
            check_name="duplicates_are_verified",
            passed=wrong == 0,
            description=f"{wrong} removed records without a similar member in their cluster",
            metadata={"unverified": wrong},
        )
    )


def _signed(stage: TableStage, batch: str) -> Iterator[TableOutput]:
    """The signatures of a batch, in parts, so that its size does not matter."""
    from fineline.resources.data.deduplication.signatures import sign

    records = stage.scan("scrubbed_corpus", batch)
    total = records.select(pl.len()).collect().item()
    report = every_few_seconds(stage.context.log.info, f"{batch}: records signed")
    for start in range(0, max(total, 1), SIGNED_AT_ONCE):
        part = records.slice(start, SIGNED_AT_ONCE).collect()
        yield TableOutput(sign(part, stage.recipe.deduplicate), rows_in=part.height)
        report(start + part.height, total)


def _measured_before(stage: TableStage) -> pl.DataFrame | None:
    """The similarities that the last run measured, where its settings were the same: the code version names them."""
    before = stage.storage.manifest(stage.asset)
    if before is None or before.code_version != stage.origin().code_version:
        return None
    return stage.before("pairs")
