"""Verification of candidates: the true similarity of each pair, computed from the texts of those pairs alone."""

from collections.abc import Callable

import numpy as np
import polars as pl

from fineline.data_contracts.messages import joined_contents
from fineline.resources.core.recipe.curation import Deduplicate
from fineline.resources.data.deduplication.lsh import members
from fineline.resources.data.deduplication.shingles import ShingleSets
from fineline.resources.data.deduplication.signatures import compared_text

# A pair is identified by its contents, so that a measured similarity holds for as long as both texts stay.
PAIR_KEY = {f"{side}_{key}": pl.String for side in ("left", "right") for key in ("id", "content")}
# Texts in memory at once.
TEXTS_AT_ONCE = 50_000
MEASURED = {"similarity": pl.Float64, "answers": pl.Float64}
PAIRS = {**PAIR_KEY, **MEASURED}


def verify(
    pairs: pl.DataFrame,
    contents: pl.DataFrame,
    records: pl.LazyFrame,
    section: Deduplicate,
    known: pl.DataFrame | None,
    report: Callable[[int, int], None],
) -> pl.DataFrame:
    """The pairs with ``similarity``, that of the whole texts, and ``answers``, that of their answers alone.

    Both are Jaccard coefficients of shingle sets. ``answers`` is null unless whole records are compared and both have
    a prompt. ``left`` and ``right`` are rows of ``contents``, and the result is sorted by them. Only pairs that
    ``known`` (the ``PAIRS`` of an earlier call) lacks are measured; ``fresh`` marks them.

    Raises:
        ValueError: a record of ``contents`` is missing from ``records``.
    """
    named = pairs.with_columns(
        contents[name].gather(pairs[side]).alias(f"{side}_{short}")
        for side in ("left", "right")
        for name, short in (("record_id", "id"), ("content_hash", "content"))
    )
    measured_before = pl.DataFrame(schema=PAIRS) if known is None else known
    joined = named.join(measured_before, on=[*PAIR_KEY], how="left", maintain_order="left")
    reused = joined.filter(pl.col("similarity").is_not_null()).with_columns(fresh=False)
    rest = joined.filter(pl.col("similarity").is_null()).drop(*MEASURED)
    measured = _measure(rest, contents, records, section, report).with_columns(fresh=True)
    return pl.concat([reused, measured]).sort("left", "right")


def _measure(
    pairs: pl.DataFrame,
    contents: pl.DataFrame,
    records: pl.LazyFrame,
    section: Deduplicate,
    report: Callable[[int, int], None],
) -> pl.DataFrame:
    """``pairs`` with the ``MEASURED`` columns."""
    rows, left, right = members(pairs)
    wanted = contents[rows].select("record_id", "batch", wanted=pl.int_range(pl.len(), dtype=pl.UInt32))
    answer = joined_contents("completion") if section.by == "record" else pl.lit(None, pl.String)
    texts = (
        records.filter(pl.col("batch").is_in(wanted["batch"].unique().implode()))
        .join(wanted.lazy(), on=["record_id", "batch"])
        .select("wanted", text=compared_text(section), answer=pl.when(joined_contents("prompt") != "").then(answer))
    )
    whole, answers, places, answered = [], [], [np.empty(0, np.uint32)], [np.empty(0, bool)]
    for part in texts.collect_batches(chunk_size=TEXTS_AT_ONCE):
        whole.append(ShingleSets.of(part["text"], section.shingle_words))
        answers.append(ShingleSets.of(part["answer"].fill_null(""), section.shingle_words))
        places.append(part["wanted"].to_numpy())
        answered.append(part["answer"].is_not_null().to_numpy())
        report(sum(place.size for place in places), rows.size)
    # The texts are read in any order.
    row_of = np.full(rows.size, -1)
    row_of[np.concatenate(places)] = np.arange(sum(place.size for place in places))
    if (row_of < 0).any():
        raise ValueError(f"{(row_of < 0).sum()} signed records are not in the corpus; sign their batches again.")
    left, right = row_of[left], row_of[right]
    both_answer = np.concatenate(answered)[left] & np.concatenate(answered)[right]
    of_answers = pl.Series(ShingleSets.join(answers).jaccard(left, right))
    return pairs.with_columns(
        similarity=pl.Series(ShingleSets.join(whole).jaccard(left, right)),
        answers=pl.select(pl.when(pl.Series(both_answer)).then(of_answers)).to_series(),
    )
