"""Held-out prompts that training records repeat, looked for as plain text: a check on what was dropped for it."""

from collections.abc import Sequence

import polars as pl

from fineline.data_contracts.records import MESSAGE_COLUMNS, contents
from fineline.resources.core.recipe.curation import Decontaminate
from fineline.resources.data.curation.contamination import compared_words

SAMPLE = 200


def repeated_prompts(
    curated: pl.DataFrame, assignment: pl.DataFrame, section: Decontaminate, sample: int = SAMPLE
) -> int:
    """Training records that share the section's n-gram of words with a prompt of validation or test.

    Looks at the ``sample`` held-out prompts with the smallest record_id, as strings and not as the hashes by
    which records were dropped. ``curated`` holds also what was dropped: an n-gram in more of the texts than
    ``maximum_repeats`` does not count.
    """
    placed = curated.join(assignment.select("record_id", "split"), on="record_id", how="left")
    held_out = pl.col("split").is_in(["validation", "test"]).fill_null(False)
    asked = _texts(placed.filter(held_out & (pl.col("kind") != "text")).sort("record_id").head(sample), ["prompt"])
    ngrams = {
        f" {' '.join(words[start : start + section.ngram])} "
        for words in asked["words"]
        for start in range(len(words) - section.ngram + 1)
    }
    if not ngrams:
        return 0
    texts = _texts(placed.filter(~held_out), MESSAGE_COLUMNS).select(
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


def _texts(records: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The words of each column's messages, one row a column: record_id, split, words."""
    parts = [records.select("record_id", "split", text=contents(column, system=False)) for column in columns]
    return pl.concat(parts).select("record_id", "split", words=compared_words(pl.col("text").fill_null("")))
