"""Clusters of exact and near-duplicates, and the one record of each that stays."""

import polars as pl

from fineline.data_contracts.curation import DuplicateCluster
from fineline.resources.components import connect, tie
from fineline.resources.minhash import normalise, record_text, similar_pairs, with_signatures
from fineline.resources.recipe_data import Deduplicate


def find_clusters(records: pl.DataFrame, signatures: pl.DataFrame, section: Deduplicate) -> pl.DataFrame:
    """Cluster records, one ``DuplicateCluster`` row each, sorted by batch and record_id.

    Records with equal normalised content, and rows that came in twice under one record_id, are exact
    duplicates. Of what is left, pairs whose shingles have a Jaccard similarity of at least the threshold are
    near-duplicates, and so is what a chain of such pairs ties together. The representative is the record
    with the most words, then the smallest record_id, then the smallest batch: it does not depend on the
    order of the input.

    Raises:
        ValueError: a record has no signature, or signatures were made with other settings.
    """
    ranked = (
        with_signatures(records.with_columns(text=record_text(records)), signatures, section)
        .with_columns(words=pl.col("text").str.count_matches(r"\S+"))
        .sort("words", "record_id", "batch", descending=[True, False, False])
    )
    ranked = ranked.with_columns(content=tie(ranked["content_hash"], ranked["record_id"]))
    return (
        ranked.select("record_id", "batch", "source", "content")
        .join(_tie_contents(ranked, section), on="content", maintain_order="left")
        .with_columns(
            cluster=pl.first("record_id").over("tied"),
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


def _tie_contents(ranked: pl.DataFrame, section: Deduplicate) -> pl.DataFrame:
    """For each distinct content: ``tied``, its cluster's number, and ``nearest``, its highest similarity."""
    contents = ranked.unique("content", keep="first", maintain_order=True)
    texts = pl.Series([normalise(text) for text in contents["text"]], dtype=pl.String)
    pairs = similar_pairs(contents, texts, section)
    both_ways = pl.concat([pairs, pairs.rename({"left": "right", "right": "left"}).select(pairs.columns)])
    nearest = both_ways.group_by(row="left").agg(nearest=pl.max("similarity"))
    return (
        contents.select("content", tied=connect(contents.height, pairs["left"], pairs["right"]))
        .with_row_index("row")
        .join(nearest, on="row", how="left")
        .drop("row")
    )
