"""Which records are alike: signatures of each batch, clusters over all batches."""

from __future__ import annotations

import itertools

import dagster as dg
import polars as pl

from fineline.assets.execution.definition import asset
from fineline.assets.execution.tables import TableRun
from fineline.data_contracts import catalog
from fineline.resources.core.presentation.plots import bar_chart
from fineline.resources.core.recipe.curation import Deduplicate
from fineline.resources.core.storage.tables import TableOutput
from fineline.resources.data.deduplication.version import CLUSTERS_VERSION, SIGNATURES_VERSION


@asset(catalog.MINHASH_SIGNATURES, version=SIGNATURES_VERSION, kinds={"polars", "datasketch"})
def minhash_signatures(run: TableRun, deduplicate: Deduplicate) -> None:
    """The MinHash signature and the content hash of each record of a batch.

    Guarantees: the values are datasketch's for the same tokens, permutations and seed; a new batch costs only
    its own signatures.
    """
    from fineline.resources.data.deduplication.signatures import Signing

    signing = Signing(run.snapshot(catalog.SCRUBBED_CORPUS), deduplicate)
    parts = signing.parts(run.engine, run.stale, run.progress("records signed"))
    for batch, of_batch in itertools.groupby(parts, key=lambda part: part.batch):
        run.write(of_batch, batch)


@asset(
    catalog.DUPLICATE_CLUSTERS,
    version=CLUSTERS_VERSION,
    kinds={"polars", "datasketch"},
    checks={
        "duplicates_are_verified": "A sample of the removed near-duplicates is compared again, by shingle sets built "
        "from scratch: each has a member of its cluster at or above deduplicate.threshold."
    },
)
def duplicate_clusters(run: TableRun, deduplicate: Deduplicate) -> None:
    """The near-duplicate cluster of every record, and the one record of each cluster that stays.

    Guarantees: candidates from MinHash are confirmed by true Jaccard similarity; two answers to one prompt are
    no duplicates; the representative does not depend on the order of the input; cluster, similarity and reason
    are kept for each removed record. Of a corpus that grew, only the text of new candidates is read.
    """
    from fineline.resources.data.deduplication.clusters import find_clusters
    from fineline.resources.data.deduplication.spot_check import unverified

    records, signatures = run.scan(catalog.SCRUBBED_CORPUS.name), run.scan(catalog.MINHASH_SIGNATURES.name)
    # The similarities that were measured with the same settings.
    measured = run.previous("pairs", same=())
    clusters = find_clusters(records, signatures, deduplicate, measured, run.log.info)
    table, wrong = clusters.table, unverified(records, clusters.table, deduplicate)
    found = f"{wrong} removed records without a similar member in their cluster"
    run.check("duplicates_are_verified", wrong == 0, found, {"unverified": wrong})
    removed = table.filter(~pl.col("representative")).height
    output = TableOutput(
        table,
        rows_in=records.select(pl.len()).collect().item(),
        side_tables={"pairs": clusters.pairs},
        facts={"duplicates": removed, "pairs measured": clusters.fresh},
    )
    run.write(output, metadata=_plots(table))


def _plots(table: pl.DataFrame) -> dict[str, dg.MetadataValue]:
    from fineline.resources.data.deduplication.clusters import cluster_size_bands, similarity_bands

    sizes = bar_chart("Records by size of their cluster", cluster_size_bands(table), "records")
    similarities = bar_chart("Removed records by similarity to their cluster", similarity_bands(table), "records")
    return {"cluster sizes": dg.MetadataValue.md(sizes), "similarities": dg.MetadataValue.md(similarities)}
