"""Labels of a corpus that grows: a source without news keeps its judgement, and known texts their embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from fineline.data_contracts.curation import LabelIssue
from fineline.data_contracts.records import MESSAGE_COLUMNS
from fineline.resources.core.recipe.curation import Labels
from fineline.resources.data.curation.embeddings import DIMENSIONS, embed
from fineline.resources.data.deduplication.signatures import record_text

LABEL_COLUMNS = ["record_id", "batch", "source", "label", *MESSAGE_COLUMNS]
KEY = ["record_id", "batch"]
FEATURES = {"record_id": pl.String, "batch": pl.String, "source": pl.String, "embedding": pl.Binary}
# What is judged is what is stored: half the bytes, and cosines to 0.0005.
STORED = np.dtype("<f2")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Judged:
    """``issues``: a ``LabelIssue`` row for each labelled record, sorted by source and record_id.

    ``features``: what they were judged by, in the same order: record_id, batch, source and embedding, the bytes
    of 384 float16; null where words were compared.
    """

    issues: pl.DataFrame
    features: pl.DataFrame


def judge_labels(
    records: pl.DataFrame,
    section: Labels,
    before: Judged | None = None,
    progress: Progress | None = None,
    seed: int = 0,
) -> Judged:
    """Judge the labels of each source, see :func:`fineline.resources.data.curation.label_issues.judge`.

    Of ``before``, an earlier outcome for the same section, ``features`` holds only records that are the same
    today. A source of which these are all, and were all, keeps its issues; elsewhere no text is embedded again. The
    outcome is the same without it. Labels with fewer records than folds are left out, and so are sources that have
    fewer than two labels then.

    Raises:
        EmbeddingError: the section asks for embeddings, and their model is not installed.
    """
    known = pl.DataFrame(schema=FEATURES) if before is None else before.features
    usable = _usable(records, section).join(known, on=[*KEY, "source"], how="left", maintain_order="left")
    sources = usable.partition_by("source", maintain_order=True)
    held = {source["source"][0]: None if before is None else _held(before, source) for source in sources}
    if section.features == "embeddings":
        usable = _embedded(usable, [name for name, issues in held.items() if issues is None], progress)
        sources = usable.partition_by("source", maintain_order=True)
    issues = [
        _judged(source, section, seed) if was is None else was
        for source, was in zip(sources, held.values(), strict=True)
    ]
    return Judged(pl.concat([LabelIssue.create_empty(), *issues]), usable.select(*FEATURES))


def _usable(records: pl.DataFrame, section: Labels) -> pl.DataFrame:
    """The records whose labels can be judged: record_id, batch, source, label, text, by source and record_id."""
    chosen = records if section.sources is None else records.filter(pl.col("source").is_in(section.sources))
    labelled = chosen.select(*KEY, "source", "label", text=record_text(chosen)).drop_nulls("label")
    usable = labelled.filter(pl.len().over("source", "label") >= section.folds).sort("source", "record_id")
    return usable.filter(pl.col("label").n_unique().over("source") > 1)


def _held(before: Judged, source: pl.DataFrame) -> pl.DataFrame | None:
    """The earlier issues of a source, where it has the same records as then, none of them changed."""
    name = source["source"][0]
    issues = before.issues.filter(pl.col("source") == name)
    unchanged = before.features.join(source, on=[*KEY, "source"], how="semi")
    return issues if issues.height == unchanged.height == source.height else None


def _embedded(usable: pl.DataFrame, sources: Sequence[str], progress: Progress | None) -> pl.DataFrame:
    """The same with the stored form of the embedding of each text of these sources; made only where there is none.

    Of all sources at once, for loading the model takes seconds.
    """
    numbered = usable.with_row_index()
    new = numbered.filter(pl.col("source").is_in(sources) & pl.col("embedding").is_null())
    rows = embed(new["text"].to_list(), progress).astype(STORED)
    made = new.with_columns(embedding=pl.Series([row.tobytes() for row in rows], dtype=pl.Binary))
    return pl.concat([numbered.join(new, on="index", how="anti"), made]).sort("index").drop("index")


def _judged(source: pl.DataFrame, section: Labels, seed: int) -> pl.DataFrame:
    # Imported here: it takes seconds.
    from fineline.resources.data.curation.label_issues import judge

    rows = None
    if section.features == "embeddings":
        rows = np.frombuffer(b"".join(source["embedding"]), STORED).reshape(-1, DIMENSIONS)
    return judge(source, rows, section.folds, seed)
