"""Clusters of exact and near-duplicates, and the representative of each, the record that stays."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from fineline.data_contracts.curation import DuplicateCluster
from fineline.resources.core.presentation.progress import every_few_seconds
from fineline.resources.core.recipe.curation import Deduplicate
from fineline.resources.data.deduplication.components import connect, tie
from fineline.resources.data.deduplication.lsh import band_keys, candidates
from fineline.resources.data.deduplication.verify import PAIRS, verify

# Signatures in memory at once: half a kilobyte each.
SIGNATURES_AT_ONCE = 100_000
# Cluster sizes that are counted together: each band's name, and the sizes between which it lies.
SIZE_BANDS = {"1 (unique)": (1, 1), "2": (2, 2), "3 to 5": (3, 5), "6 to 20": (6, 20), "more than 20": (21, None)}
RANK = {"replaced_percent": False, "characters": True, "record_id": False, "batch": False}


@dataclass(frozen=True)
class Clusters:
    """``table`` has a ``DuplicateCluster`` row for each record.

    ``pairs`` are the candidates with their similarities, for the next call; ``fresh`` counts those that this call
    measured.
    """

    table: pl.DataFrame
    pairs: pl.DataFrame
    fresh: int


def find_clusters(
    records: pl.LazyFrame,
    signatures: pl.LazyFrame,
    section: Deduplicate,
    known: pl.DataFrame | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> Clusters:
    """Cluster records: one ``DuplicateCluster`` row each, sorted by batch and record_id.

    Records with equal normalised content, and rows with the same record_id, are exact duplicates. Among the others,
    two records are similar if their shingles' Jaccard similarity reaches the threshold. Similar records are
    near-duplicates, as are records that a chain of such pairs ties together. Two records with prompts whose answers
    alone stay below the threshold are different answers to one prompt: not duplicates, only of one family.

    The representative is the record with the fewest replaced spans per hundred words, then the most characters, then
    the smallest record_id, then the smallest batch; it does not depend on the order of the input. Only candidates are
    read from ``records``, and only those of pairs that ``known`` (the pairs of an earlier call) lacks; the result is
    the same without it. ``log`` gets a progress line every few seconds.

    Raises:
        ValueError: a record has no signature, or signatures were made with other settings.
    """
    signed, keys = _read(records, signatures, section, every_few_seconds(log, "signatures read"))
    ranked = signed.with_row_index("row").sort(*RANK, descending=[*RANK.values()])
    ranked = ranked.with_columns(content=tie(ranked["content_hash"], ranked["record_id"]))
    contents = ranked.unique("content", keep="first", maintain_order=True)
    order = contents["row"].cast(pl.Int64).to_numpy()
    found = candidates(
        keys, order, signed["shingles"].to_numpy(), section.threshold, every_few_seconds(log, "bands compared")
    )
    del keys
    measured = verify(found, contents, records, section, known, every_few_seconds(log, "candidates read"))
    table = (
        ranked.select("record_id", "batch", "source", "content")
        .join(_tie_contents(contents, measured, section), on="content", maintain_order="left")
        .with_columns(
            cluster=pl.first("record_id").over("tied"),
            family=pl.min("record_id").over("family"),
            representative=pl.col("tied").is_first_distinct(),
            exact=~pl.col("content").is_first_distinct(),
        )
        .with_columns(
            reason=pl.when("exact")
            .then(pl.lit("exact_duplicate"))
            .when(~pl.col("representative"))
            .then(pl.lit("near_duplicate")),
            similarity=pl.when("exact").then(1.0).when(~pl.col("representative")).then("nearest"),
        )
        .select(DuplicateCluster.column_names())
        .cast(DuplicateCluster.create_empty().schema)
        .sort("batch", "record_id")
    )
    return Clusters(table, measured.select(*PAIRS), int(measured["fresh"].sum()))


def cluster_size_bands(clusters: pl.DataFrame) -> dict[str, float]:
    """The number of records by the size of their cluster."""
    sizes = clusters.select(pl.len().over("cluster"))["len"]
    return {
        name: float(((sizes >= least) & (sizes <= (most or clusters.height))).sum())
        for name, (least, most) in SIZE_BANDS.items()
    }


def similarity_bands(clusters: pl.DataFrame) -> dict[str, float]:
    """The number of removed near-duplicates by similarity, in steps of 0.05, then that of exact duplicates."""
    near = clusters.filter(pl.col("reason") == "near_duplicate")
    steps = near.group_by(step=(pl.col("similarity") * 20).floor()).len().sort("step")
    bands = {f"{step / 20:.2f} to {min(step / 20 + 0.05, 1.0):.2f}": float(count) for step, count in steps.iter_rows()}
    return {**bands, "exact": float((clusters["reason"] == "exact_duplicate").sum())}


def _read(
    records: pl.LazyFrame, signatures: pl.LazyFrame, section: Deduplicate, report: Callable[[int, int], None]
) -> tuple[pl.DataFrame, npt.NDArray[np.uint64]]:
    """The signatures without their values, and the band keys of the values, row for row."""
    columns = ["record_id", "batch", "source", "content_hash", "characters", "replaced_percent", "shingles"]
    total = records.select(pl.len()).collect().item()
    parts, keys, done = [signatures.select(columns).head(0).collect()], [], 0
    for part in signatures.select(*columns, "signature").collect_batches(chunk_size=SIGNATURES_AT_ONCE):
        keys.append(band_keys(part["signature"], section.threshold, section.permutations))
        parts.append(part.drop("signature"))
        done += part.height
        report(done, total)
    if total < done:
        raise ValueError(f"{done - total} signed records are not in the corpus; sign their batches again.")
    if total > done:
        raise ValueError(f"{total - done} records have no signature; sign their batches first.")
    return pl.concat(parts), np.concatenate(keys) if keys else np.empty((0, 1), np.uint64)


def _tie_contents(contents: pl.DataFrame, measured: pl.DataFrame, section: Deduplicate) -> pl.DataFrame:
    """For each distinct content: ``tied`` and ``family``, numbers, and ``nearest``, its highest similarity."""
    similar = measured.filter(pl.col("similarity") >= section.threshold)
    pairs = similar.filter(pl.col("answers").is_null() | (pl.col("answers") >= section.threshold))
    both_ways = pl.concat([pairs, pairs.rename({"left": "right", "right": "left"}).select(pairs.columns)])
    nearest = both_ways.group_by(position="left").agg(nearest=pl.max("similarity"))
    return (
        contents.select(
            "content",
            tied=connect(contents.height, pairs["left"], pairs["right"]),
            family=connect(contents.height, similar["left"], similar["right"]),
        )
        .with_row_index("position")
        .join(nearest, on="position", how="left")
        .drop("position")
    )
