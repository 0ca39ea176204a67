"""Looking again at what deduplication removed, with nothing of the code that removed it but its shingles."""

import polars as pl

from fineline.resources.minhash import normalise, record_text, shingles
from fineline.resources.recipe_data import Deduplicate

SAMPLE = 500


def unverified(records: pl.DataFrame, clusters: pl.DataFrame, section: Deduplicate, sample: int = SAMPLE) -> int:
    """Removed near-duplicates without a member of their cluster at or above the threshold.

    Looks at the ``sample`` removed records with the smallest record_id, a choice that the order of the input
    does not change. Similarity is the Jaccard coefficient of the two shingle sets.
    """
    removed = clusters.filter(pl.col("reason") == "near_duplicate").sort("record_id", "batch").head(sample)
    members = clusters.filter(pl.col("cluster").is_in(removed["cluster"].implode())).select(
        "record_id", "batch", "cluster"
    )
    members = records.join(members, on=["record_id", "batch"])
    sets: dict[str, list[tuple[str, set[str]]]] = {}
    for cluster, record_id, text in zip(members["cluster"], members["record_id"], record_text(members), strict=True):
        found = shingles(normalise(text), section.shingle_words)
        sets.setdefault(cluster, []).append((record_id, found))
    wrong = 0
    for record_id, cluster in removed.select("record_id", "cluster").iter_rows():
        own = next(found for other, found in sets[cluster] if other == record_id)
        near = [found for other, found in sets[cluster] if other != record_id]
        best = max((len(own & other) / len(own | other) for other in near), default=0.0)
        wrong += best < section.threshold
    return wrong
