"""Contamination: records that repeat evaluation texts, found by shared n-grams of words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from fineline.data_contracts.messages import MESSAGE_COLUMNS, contents
from fineline.resources.core.recipe.curation import Decontaminate
from fineline.resources.core.recipe.sources import Source
from fineline.resources.data.formats.rows import SourceError
from fineline.resources.data.quality.measures import UNSPACED
from fineline.resources.data.quality.repetition import Hashes, Rows, ngram_hashes
from fineline.resources.data.sources.reader import list_batches, read_batch

# A run of letters, marks and digits; in scripts that put no space between words, each character.
WORD = rf"[{UNSPACED}]|[\p{{L}}\p{{M}}\p{{N}}--[{UNSPACED}]]+"
# Among 22,838 prompts of P3 that share 13 words with one of 3,600 others, a passage occurs under up to 60 templates,
# and a template's instructions in some 200 prompts. GPT-3's limit of 10 would let 5 % of the overlaps pass.
MAXIMUM_REPEATS = 100
ANSWERS = ["completion", "rejected"]
TEXTS_AT_ONCE = 5_000

NONE: Hashes = np.empty(0, np.uint64)


def evaluation_set(source: Source) -> pl.DataFrame:
    """The records of an evaluation set, read like those of a source.

    Raises:
        SourceError: it cannot be read, or none of its rows is a record.
    """
    records = pl.concat([read_batch(source, batch).records for batch in list_batches(source)])
    if records.is_empty():
        raise SourceError(f"decontaminate.against: no row of {source.name} is a record; name its columns.")
    return records


def contaminated(records: pl.DataFrame, sets: Mapping[str, pl.DataFrame], section: Decontaminate) -> pl.DataFrame:
    """Records that overlap with evaluation sets, given by name: record_id, and evaluation_sets, the names of these.

    Prompts and plain texts are compared, short ones as a whole. Answers are compared if they have at least as many
    words as the n-gram, since a "yes" repeats nothing. System messages are instructions and are skipped.
    """
    texts = _texts(records, section.ngram)
    found = [
        texts.select("record_id", evaluation_sets=pl.lit(name)).filter(
            overlapping(texts["text"], _texts(each, section.ngram)["text"], section.ngram, section.maximum_repeats)
        )
        for name, each in sets.items()
    ]
    schema = {"record_id": pl.String, "evaluation_sets": pl.String}
    names = pl.col("evaluation_sets").unique(maintain_order=True).str.join(", ")
    return pl.concat([pl.DataFrame(schema=schema), *found]).group_by("record_id", maintain_order=True).agg(names)


def repeats_of_held_out_prompts(
    curated: pl.DataFrame, assignment: pl.DataFrame, section: Decontaminate
) -> pl.DataFrame:
    """Curated records in train that overlap with a prompt of validation or test, sorted by record_id."""
    placed = curated.join(assignment.select("record_id", "split"), on="record_id").sort("record_id")
    train, held_out = placed.filter(pl.col("split") == "train"), placed.filter(pl.col("split") != "train")
    prompts = held_out.with_columns(pl.lit([], curated.schema[column]).alias(column) for column in ANSWERS)
    found = contaminated(train, {"prompts": prompts}, section)
    return train.join(found, on="record_id", how="semi", maintain_order="left")


def overlapping(
    texts: pl.Series, against: pl.Series, ngram: int = 13, maximum_repeats: int = MAXIMUM_REPEATS
) -> pl.Series:
    """Whether each text shares a run of ``ngram`` words with any text in ``against``: a Boolean series.

    Words are compared without case, punctuation and white space. A text with fewer words is compared as a whole: it
    overlaps only with a text of the same words. An n-gram in more than ``maximum_repeats`` of the texts does not count:
    it is an instruction, a licence or a phrase, and not specific to what is asked. After Brown et al.: Language Models
    are Few-Shot Learners (GPT-3), 2020, appendix C. Null overlaps with nothing.

    Memory grows with ``against`` (8 bytes a word) and with the shared n-grams, not with ``texts``.
    """
    known = np.unique(np.concatenate([NONE, *(hashes for _, hashes in _ngrams(against, ngram))]))
    rows, hashes = [NONE.astype(np.int64)], [NONE]
    for row, each in _ngrams(texts, ngram):
        shared = _contains(known, each)
        rows.append(row[shared])
        hashes.append(each[shared])
    found = pl.DataFrame({"row": np.concatenate(rows), "ngram": np.concatenate(hashes)}).unique()
    specific = found.filter(pl.len().over("ngram") <= maximum_repeats)
    return pl.Series(np.isin(np.arange(len(texts)), specific["row"].to_numpy()))


def compared_words(text: pl.Expr) -> pl.Expr:
    """The compared words of a text: NFKC, lower case, without punctuation."""
    return text.str.normalize("NFKC").str.to_lowercase().str.extract_all(WORD)


def _texts(records: pl.DataFrame, ngram: int) -> pl.DataFrame:
    """The texts of records that are compared, prompts and answers: record_id and text."""
    joined = {column: contents(column, system=False) for column in MESSAGE_COLUMNS}
    asked = pl.when(pl.col("kind") == "text").then(joined["completion"]).otherwise(joined["prompt"])
    questions = records.select("record_id", text=asked)
    chats = records.filter(pl.col("kind") != "text")
    answers = pl.concat([chats.select("record_id", text=joined[column]) for column in ANSWERS])
    return pl.concat([questions, answers.filter(pl.col("text").str.count_matches(WORD) >= ngram)])


def _contains(known: Hashes, asked: Hashes) -> npt.NDArray[np.bool_]:
    if not len(known):
        return np.zeros(len(asked), dtype=bool)
    found: npt.NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, asked), len(known) - 1)] == asked
    return found


def _ngrams(texts: pl.Series, ngram: int) -> Iterator[tuple[Rows, Hashes]]:
    """Yields the rows and the hashes of all n-grams, some texts at a time."""
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        words = pl.select(compared_words(pl.lit(texts.slice(start, TEXTS_AT_ONCE)))).to_series()
        counts = words.list.len().fill_null(0).to_numpy().astype(np.int64)
        flat = words.explode(empty_as_null=False, keep_nulls=False).hash().to_numpy()
        rows, hashes = _windows(flat, counts, ngram)
        yield rows + start, hashes


def _windows(words: Hashes, counts: Rows, ngram: int) -> tuple[Rows, Hashes]:
    """The text and the hash of each run of ``ngram`` words, and of the whole of each shorter text.

    ``words`` are the words' hashes, ``counts`` the number of words of each text.
    """
    ends = np.cumsum(counts)
    # A shorter text has one run, an empty one none.
    runs = np.where(counts < ngram, np.minimum(counts, 1), counts - ngram + 1)
    row = np.repeat(np.arange(len(counts)), runs)
    first = np.arange(len(row)) + np.repeat(ends - counts - (np.cumsum(runs) - runs), runs)
    end = np.minimum(first + ngram, ends[row])
    return row, ngram_hashes(words)(first, end)
