"""Spot check of removed near-duplicates, independent of the production kernels."""

from collections.abc import Iterator

import polars as pl

from fineline.data_contracts.messages import joined_contents
from fineline.resources.core.recipe.curation import Deduplicate
from fineline.resources.data.deduplication.buffers import normalise
from fineline.resources.data.deduplication.shingles import shingles
from fineline.resources.data.deduplication.signatures import compared_text

SAMPLE = 500
# The shingles of a whole record, and of its answer where answers count.
Sets = tuple[set[str], set[str] | None]
# Members of clusters in memory at once.
MEMBERS_AT_ONCE = 10_000


def unverified(records: pl.LazyFrame, clusters: pl.DataFrame, section: Deduplicate, sample: int = SAMPLE) -> int:
    """The number of removed near-duplicates that no member of their cluster resembles at the threshold.

    Checks the ``sample`` removed records with the smallest record_id, a choice that does not depend on the order of
    the input. Similarity is the Jaccard coefficient of two shingle sets, rebuilt in plain Python; of two records with
    prompts the answers alone must reach the threshold too.
    """
    near = pl.col("reason") == "near_duplicate"
    removed = clusters.filter(near).sort("record_id", "batch").head(sample)
    waiting: dict[str, dict[tuple[str, str], Sets]] = {}
    for cluster, name, sets in _members(records, removed, section):
        waiting.setdefault(cluster, {})[name] = sets
    members = clusters.filter(pl.col("cluster").is_in(removed["cluster"].implode()))
    for cluster, (record_id, _), sets in _members(records, members, section):
        of_cluster = waiting[cluster]
        settled = [name for name, own in of_cluster.items() if name[0] != record_id and _similar(own, sets, section)]
        for name in settled:
            del of_cluster[name]
        if not any(waiting.values()):
            break
    return sum(map(len, waiting.values()))


def _members(
    records: pl.LazyFrame, clusters: pl.DataFrame, section: Deduplicate
) -> Iterator[tuple[str, tuple[str, str], Sets]]:
    """Cluster, record_id with batch, and shingles of these records, a few of them in memory at once."""
    whole, answer, prompt = compared_text(section), joined_contents("completion"), joined_contents("prompt")
    named = clusters.select("record_id", "batch", "cluster").lazy()
    texts = records.join(named, on=["record_id", "batch"]).select(
        "cluster", "record_id", "batch", whole, answer=pl.when((prompt != "") & (section.by == "record")).then(answer)
    )
    for part in texts.collect_batches(chunk_size=MEMBERS_AT_ONCE):
        for cluster, record_id, batch, text, answered in part.iter_rows():
            answers = None if answered is None else shingles(normalise(answered), section.shingle_words)
            yield cluster, (record_id, batch), (shingles(normalise(text), section.shingle_words), answers)


def _similar(left: Sets, right: Sets, section: Deduplicate) -> bool:
    return all(
        len(one & other) >= section.threshold * len(one | other)
        for one, other in zip(left, right, strict=True)
        if one is not None and other is not None
    )
