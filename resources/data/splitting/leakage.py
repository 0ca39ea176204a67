"""What leaks between splits, recomputed from the tables and not from what the splitter says of itself."""

from dataclasses import dataclass

import polars as pl

from fineline.resources.core.recipe.curation import Deduplicate
from fineline.resources.data.deduplication.signatures import compared_text, similar_pairs, with_signatures
from fineline.resources.data.splitting.groups import compared_prompt


@dataclass(frozen=True)
class Leakage:
    """Counts that must all be zero.

    ``groups``, ``clusters`` and ``prompts`` that stand in several splits, ``near_duplicates``: pairs of similar
    records in different splits, and ``moved``: records that were in train and are in test, or the other way round.
    """

    groups: int
    clusters: int
    prompts: int
    near_duplicates: int
    moved: int


def measure(
    curated: pl.DataFrame,
    assignment: pl.DataFrame,
    section: Deduplicate,
    signatures: pl.DataFrame,
    previous: pl.DataFrame | None = None,
    *,
    prompts: bool = True,
) -> Leakage:
    """Measure what leaks between the splits of curated records.

    Near-duplicates are candidates by signature whose true Jaccard similarity reaches the threshold. Equal
    prompts are counted where ``prompts`` says that they belong together. ``signatures`` holds at least the
    curated records, ``previous`` says where records stood before (record_id, split).

    Raises:
        ValueError: a curated record has no split or no signature, or signatures were made otherwise.
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


def _torn(placed: pl.DataFrame, *key: str) -> int:
    return placed.group_by(key).agg(splits=pl.col("split").n_unique()).filter(pl.col("splits") > 1).height


def _similar_across(placed: pl.DataFrame, signatures: pl.DataFrame, section: Deduplicate) -> int:
    texts = compared_text(placed, section)
    pairs = similar_pairs(with_signatures(placed, signatures, section), texts, section)
    split = placed["split"]
    return int((split.gather(pairs["left"]) != split.gather(pairs["right"])).sum())


def _moved(previous: pl.DataFrame, assignment: pl.DataFrame) -> int:
    now = pl.col("split").cast(pl.String)
    was = pl.col("split_before").cast(pl.String)
    both = assignment.join(previous.select("record_id", "split"), on="record_id", suffix="_before")
    return both.filter((now != was) & (now != "validation") & (was != "validation")).height
