"""Contamination: records that repeat evaluation texts, found by shared n-grams of words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from fineline.data_contracts.messages import MESSAGE_COLUMNS, contents
from fineline.resources.core.recipe.sources import Source
from fineline.resources.data.formats.rows import SourceError
from fineline.resources.data.quality.measures import UNSPACED
from fineline.resources.data.quality.repetition import Hashes, Rows, ngram_hashes
from fineline.resources.data.sources.kinds import connector
from fineline.resources.data.sources.reading import read_apart

# A run of letters, marks and digits; in scripts that put no space between words, each character.
WORD = rf"[{UNSPACED}]|[\p{{L}}\p{{M}}\p{{N}}--[{UNSPACED}]]+"
ANSWERS = ["completion", "rejected"]
SHARED = {"record_id": pl.String, "evaluation_set": pl.String, "ngram": pl.UInt64}


def evaluation_ngrams(source: Source, ngram: int) -> pl.Series:
    """The distinct n-grams of an evaluation set, which is read like a source.

    Raises:
        SourceError: it cannot be read, or none of its rows is a record.
    """
    found = [
        distinct_ngrams(part.records, ngram)
        # Errors name a file by its number, since its name may be personal data.
        for number, batch in enumerate(connector(source).batches(source), 1)
        for part in read_apart(source, f"{source.name}/{number}", batch)
        if part.records.height
    ]
    if not found:
        raise SourceError(f"decontaminate.against: no row of {source.name} is a record; name its columns.")
    return pl.concat(found).unique()


def distinct_ngrams(records: pl.DataFrame, ngram: int) -> pl.Series:
    """The distinct n-grams of ``ngram`` words in the texts of records, as hashes.

    Words are compared without case, punctuation and white space. The texts are prompts, plain texts, and answers of at
    least ``ngram`` words, since a "yes" repeats nothing; a shorter prompt is one n-gram. System messages are
    instructions and are skipped.
    """
    _, _, hashes = _ngrams(records, ngram)
    return pl.Series("ngram", np.unique(hashes))


def shared_ngrams(records: pl.DataFrame, sets: Mapping[str, pl.Series], ngram: int) -> pl.DataFrame:
    """The n-grams that texts of records share with evaluation sets: record_id, evaluation_set and ngram.

    ``sets`` gives the ``distinct_ngrams`` of each set, sorted. An n-gram has one row for each text with it.
    """
    record_ids, rows, hashes = _ngrams(records, ngram)
    parts = [pl.DataFrame(schema=SHARED)]
    for name, known in sets.items():
        shared = _contains(known.to_numpy(), hashes)
        found = pl.DataFrame({"row": rows[shared], "ngram": hashes[shared]}).unique()
        parts.append(found.select(record_ids.gather(found["row"]), pl.lit(name).alias("evaluation_set"), "ngram"))
    return pl.concat(parts)


def contaminated(shared: pl.DataFrame, sets: Sequence[str], maximum_repeats: int) -> pl.DataFrame:
    """The records that overlap with evaluation sets: record_id, and evaluation_sets, the names of these in their order.

    ``shared`` are the ``shared_ngrams`` of all records. An n-gram in more than ``maximum_repeats`` texts does not
    count: it is an instruction, a licence or a phrase, and not specific to what is asked. After Brown et al.: Language
    Models are Few-Shot Learners (GPT-3), 2020, appendix C. There the limit is 10; among 22,838 prompts of P3 that share
    13 words with one of 3,600 others, a passage occurs under up to 60 templates and the instructions of a template in
    some 200 prompts, so that a limit of 10 would let 5 % of the overlaps pass.
    """
    specific = shared.filter(pl.len().over("evaluation_set", "ngram") <= maximum_repeats)
    return (
        specific.select("record_id", pl.col("evaluation_set").cast(pl.Enum(sets)))
        .unique()
        .sort("record_id", "evaluation_set")
        .group_by("record_id", maintain_order=True)
        .agg(evaluation_sets=pl.col("evaluation_set").cast(pl.String).str.join(", "))
    )


def compared_words(text: pl.Expr) -> pl.Expr:
    """The compared words of a text: NFKC, lower case, without punctuation."""
    return text.str.normalize("NFKC").str.to_lowercase().str.extract_all(WORD)


def _texts(records: pl.DataFrame, ngram: int) -> pl.DataFrame:
    """The compared texts of records: record_id and text."""
    joined = {column: contents(column, system=False) for column in MESSAGE_COLUMNS}
    asked = pl.when(pl.col("kind") == "text").then(joined["completion"]).otherwise(joined["prompt"])
    questions = records.select("record_id", text=asked)
    chats = records.filter(pl.col("kind") != "text")
    answers = pl.concat([chats.select("record_id", text=joined[column]) for column in ANSWERS])
    return pl.concat([questions, answers.filter(pl.col("text").str.count_matches(WORD) >= ngram)])


def _ngrams(records: pl.DataFrame, ngram: int) -> tuple[pl.Series, Rows, Hashes]:
    """The record_id of each compared text, and the text (its row) and the hash of each n-gram."""
    texts = _texts(records, ngram)
    words = texts.select(compared_words(pl.col("text"))).to_series()
    counts = words.list.len().fill_null(0).to_numpy().astype(np.int64)
    ends = np.cumsum(counts)
    # A shorter text has one n-gram, an empty one none.
    runs = np.where(counts < ngram, np.minimum(counts, 1), counts - ngram + 1)
    row = np.repeat(np.arange(len(counts)), runs)
    first = np.arange(len(row)) + np.repeat(ends - counts - (np.cumsum(runs) - runs), runs)
    end = np.minimum(first + ngram, ends[row])
    flat = words.explode(empty_as_null=False, keep_nulls=False).hash().to_numpy()
    return texts["record_id"], row, ngram_hashes(flat)(first, end)


def _contains(known: Hashes, asked: Hashes) -> npt.NDArray[np.bool_]:
    if not len(known):
        return np.zeros(len(asked), dtype=bool)
    found: npt.NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, asked), len(known) - 1)] == asked
    return found
