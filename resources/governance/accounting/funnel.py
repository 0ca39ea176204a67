"""The way of all records from what came in to the splits, in the counts that people look at."""

import polars as pl

# What is left after each of these stages, in the words of a reader.
STAGES = {
    "raw_corpus": "read",
    "scrubbed_corpus": "scrubbed",
    "duplicate_clusters": "unique",
    "record_quality": "passed quality",
    "curated_corpus": "curated",
    "splits": "in splits",
}


def funnel(ledger: pl.DataFrame) -> dict[str, float]:
    """Records that came in, those left after each stage, and each split; the last stage is the sum of the splits."""
    stage = pl.col("place").str.split("/").list.first()
    stopped = dict(ledger.filter(pl.col("fate") != "kept").group_by(stage).len().iter_rows())
    left = ledger.height
    steps: dict[str, float] = {"came in": float(left)}
    for name, words in STAGES.items():
        left -= stopped.pop(name, 0)
        steps[words] = float(left)
    for name, count in stopped.items():
        raise ValueError(f"{count} records were stopped by {name}, which the funnel does not know; add it to STAGES.")
    kept = ledger.filter(pl.col("fate") == "kept").group_by("place").len().sort("len", descending=True)
    return steps | {f"  {place.removeprefix('splits/')}": float(count) for place, count in kept.iter_rows()}


def reasons(ledger: pl.DataFrame) -> dict[str, float]:
    """Records that are not in a split, by the rule that stopped them and where; the most frequent first."""
    stopped = ledger.drop_nulls("rule").group_by("rule", "place").len().sort("len", "rule", descending=[True, False])
    return {f"{rule} ({place})": float(count) for rule, place, count in stopped.iter_rows()}
