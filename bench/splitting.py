"""Splits of real records: what leaks, how well strata keep their shares, and what growth moves."""

import numpy as np
import polars as pl
import sklearn
from figures import Figure
from rows import p3
from sklearn.model_selection import train_test_split

from fineline.resources.core.recipe.curation import Deduplicate, Split
from fineline.resources.data.curation.curate import unique_records
from fineline.resources.data.deduplication.clusters import find_clusters
from fineline.resources.data.deduplication.signatures import sign
from fineline.resources.data.splitting.assignment import assign
from fineline.resources.data.splitting.leakage import measure_leakage
from fineline.resources.data.splitting.proportions import by_dimension

SHORT = 4_000
NEAR = Deduplicate(threshold=0.5)


def measure(*, short: bool) -> list[Figure]:
    """Split P3 and look at it; the peer is scikit-learn's stratified split of the rows as they were read."""
    records = p3(SHORT if short else None).with_columns(replacements=pl.lit(0, pl.UInt32))
    signatures = sign(records, NEAR)
    clusters = find_clusters(records.lazy(), signatures.lazy(), Deduplicate()).table
    curated = unique_records(records, clusters).with_columns(group=None)
    section = Split(validation=0.05, test=0.05, stratify_by=["source", "length"])
    assigned = assign(curated, section)
    note = f"{curated.height:,} distinct P3 records"
    ours = measure_leakage(curated, assigned.records, Deduplicate(), signatures)
    # Most pipelines split what they read, and find duplicates, if at all, in each split.
    everything = records.join(clusters.select("record_id", "batch", "cluster"), on=["record_id", "batch"])
    whole = assign(everything.with_columns(cluster="record_id", family="record_id", group=None), section).records
    peers = measure_leakage(everything, _stratified(whole), Deduplicate(), signatures)
    grown = assign(curated, section, assign(curated.sample(fraction=0.8, seed=0), section).history)
    old = assign(curated.sample(fraction=0.8, seed=0), section).records
    both = grown.records.join(old, on="record_id", suffix="_old")
    peer = f"scikit-learn {sklearn.__version__} train_test_split, as read"
    gap = 100 * by_dimension(assigned.records, curated, section)["gap"].max()
    return [
        Figure("splitting.prompts_across_splits", ours.prompts, "prompts", ours.prompts, peers.prompts, peer, note),
        Figure(
            "splitting.near_duplicates_across_splits",
            ours.near_duplicates,
            "pairs",
            ours.near_duplicates,
            peers.near_duplicates,
            peer,
            note,
        ),
        Figure("splitting.largest_gap", gap, "percentage points", note=f"{note}, by source and length band"),
        Figure(
            "splitting.moved_by_growth", (both["split"] != both["split_old"]).sum(), "records", note="80 % then all"
        ),
    ]


def _stratified(assignment: pl.DataFrame) -> pl.DataFrame:
    """The same records and strata, split by scikit-learn."""
    rows = np.arange(assignment.height)
    strata = assignment["stratum"].to_numpy()
    _, held_out = train_test_split(rows, test_size=0.1, stratify=strata, random_state=0)
    _, test = train_test_split(held_out, test_size=0.5, stratify=strata[held_out], random_state=0)
    split = np.full(assignment.height, "train", dtype=object)
    split[held_out] = "validation"
    split[test] = "test"
    return assignment.with_columns(split=pl.Series(split.tolist()).cast(assignment.schema["split"]))
