"""Leaks between splits, recomputed from the tables and independently of the assignment."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from fineline.data_contracts.messages import MESSAGE_COLUMNS, contents
from fineline.resources.core.recipe.curation import Decontaminate, Deduplicate
from fineline.resources.data.curation.contamination import compared_words
from fineline.resources.data.deduplication.signatures import compared_text, similar_pairs
from fineline.resources.data.splitting.groups import compared_prompt

# Held-out prompts that are looked for in training records.
SAMPLE = 200


@dataclass(frozen=True)
class Leakage:
    """Counts that must all be zero.

    ``groups``, ``clusters`` and ``prompts`` count those with records in several splits, ``near_duplicates`` pairs of
    similar records in different splits, and ``moved`` records that went from train to test or from test to train.
    """

    groups: int
    clusters: int
    prompts: int
    near_duplicates: int
    moved: int


def measure_leakage(
    curated: pl.DataFrame,
    assignment: pl.DataFrame,
    section: Deduplicate,
    signatures: pl.DataFrame,
    previous: pl.DataFrame | None = None,
    *,
    prompts: bool = True,
) -> Leakage:
    """Measure leaks between the splits of curated records.

    Near-duplicates are candidates by signature whose true Jaccard similarity reaches the threshold. Equal prompts are
    counted only if ``prompts`` demands that they stay together. ``signatures`` holds at least the curated records,
    ``previous`` has their earlier splits (record_id, split).

    Raises:
        ValueError: a curated record has no split or no signature, or signatures were made with other settings.
    """
    placed = curated.join(assignment.select("record_id", "split"), on="record_id", how="left")
    without = placed["split"].null_count()
    if without:
        raise ValueError(f"{without} curated records have no split; assign splits to all of them first.")
    return Leakage(
        groups=_torn(placed.drop_nulls("group"), "source", "group"),
        clusters=_torn(placed, "cluster"),
        prompts=_torn(placed.with_columns(text=compared_prompt()).drop_nulls("text"), "text") if prompts else 0,
        near_duplicates=_similar_across(placed, signatures, section),
        moved=0 if previous is None else _moved(previous, assignment),
    )


def repeated_prompts(
    curated: pl.DataFrame, assignment: pl.DataFrame, section: Decontaminate, sample: int = SAMPLE
) -> int:
    """The number of training records that share the section's n-gram of words with a prompt of validation or test.

    Looks for the ``sample`` held-out prompts with the smallest record_id, as strings and not by the hashes that
    records were dropped by. ``curated`` includes dropped records, because an n-gram in more of the texts than
    ``maximum_repeats`` does not count.
    """
    placed = curated.join(assignment.select("record_id", "split"), on="record_id", how="left")
    held_out = pl.col("split").is_in(["validation", "test"]).fill_null(False)
    asked = _words(placed.filter(held_out & (pl.col("kind") != "text")).sort("record_id").head(sample), ["prompt"])
    ngrams = {
        f" {' '.join(words[start : start + section.ngram])} "
        for words in asked["words"]
        for start in range(len(words) - section.ngram + 1)
    }
    if not ngrams:
        return 0
    texts = _words(placed.filter(~held_out), MESSAGE_COLUMNS).select(
        "record_id", "split", text=pl.format(" {} ", pl.col("words").list.join(" "))
    )
    patterns = pl.lit(pl.Series(sorted(ngrams))).implode()
    found = (
        texts.filter(pl.col("text").str.contains_any(patterns))
        .with_row_index("row")
        .with_columns(ngram=pl.col("text").str.extract_many(patterns, overlapping=True).list.unique())
        .explode("ngram")
        .filter(pl.len().over("ngram") <= section.maximum_repeats)
    )
    return found.filter(pl.col("split") == "train")["record_id"].n_unique()


def _torn(placed: pl.DataFrame, *key: str) -> int:
    return placed.group_by(key).agg(found=pl.col("split").n_unique()).filter(pl.col("found") > 1).height


def _similar_across(placed: pl.DataFrame, signatures: pl.DataFrame, section: Deduplicate) -> int:
    needed = signatures.select("record_id", "batch", "shingles", "signature")
    signed = placed.join(needed, on=["record_id", "batch"], how="left", maintain_order="left")
    missing = signed["signature"].null_count()
    if missing:
        raise ValueError(f"{missing} records have no signature; sign their batches first.")
    pairs = similar_pairs(signed, placed.select(compared_text(section)).to_series(), section)
    split = placed["split"]
    return int((split.gather(pairs["left"]) != split.gather(pairs["right"])).sum())


def _moved(previous: pl.DataFrame, assignment: pl.DataFrame) -> int:
    now, before = pl.col("split").cast(pl.String), pl.col("split_before").cast(pl.String)
    both = assignment.join(previous.select("record_id", "split"), on="record_id", suffix="_before")
    return both.filter((now != before) & (now != "validation") & (before != "validation")).height


def _words(records: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The words of each column's messages, one row a column: record_id, split, words."""
    parts = [records.select("record_id", "split", text=contents(column, system=False)) for column in columns]
    return pl.concat(parts).select("record_id", "split", words=compared_words(pl.col("text").fill_null("")))
