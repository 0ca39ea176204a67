"""Label issues of a corpus that grows: unchanged sources keep their issues, known texts their embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from fineline.data_contracts.curation import LabelIssue
from fineline.data_contracts.messages import MESSAGE_COLUMNS, record_text
from fineline.resources.core.recipe.curation import Labels
from fineline.resources.data.curation.embeddings import DIMENSIONS, Encode, embed, encode

LABEL_COLUMNS = ["record_id", "batch", "source", "label", *MESSAGE_COLUMNS]
KEY = ["record_id", "batch"]
FEATURES = {"record_id": pl.String, "batch": pl.String, "source": pl.String, "embedding": pl.Binary}
# Labels are judged by the stored embeddings: half of the bytes, with cosines accurate to 0.0005.
STORED = np.dtype("<f2")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Judged:
    """``issues`` has a ``LabelIssue`` row for each labelled record, sorted by source and record_id.

    ``features`` has record_id, batch, source and embedding of the same records: the bytes of 384 float16, null where
    words were compared.
    """

    issues: pl.DataFrame
    features: pl.DataFrame


def judge_labels(
    records: pl.DataFrame,
    section: Labels,
    before: Judged | None = None,
    progress: Progress | None = None,
    encode: Encode = encode,
) -> Judged:
    """Judge the labels of each source by :func:`fineline.resources.data.curation.label_issues.judge`.

    ``before`` is an earlier result for the same section, its ``features`` limited to records that have not changed
    since. A source with exactly the same records keeps its issues; in the others no known text is embedded again.
    The result is the same without it. Labels with fewer records than folds are skipped, and then sources with fewer
    than two labels.

    Raises:
        EmbeddingError: the section asks for embeddings, and their model is not installed.
    """
    known = pl.DataFrame(schema=FEATURES) if before is None else before.features
    usable = _usable(records, section).join(known, on=[*KEY, "source"], how="left", maintain_order="left")
    sources = usable.partition_by("source", maintain_order=True)
    reused = {source["source"][0]: None if before is None else _reusable(before, source) for source in sources}
    if section.features == "embeddings":
        usable = _embedded(usable, [name for name, issues in reused.items() if issues is None], progress, encode)
        sources = usable.partition_by("source", maintain_order=True)
    issues = [
        _judged(source, section) if known is None else known
        for source, known in zip(sources, reused.values(), strict=True)
    ]
    return Judged(pl.concat([LabelIssue.create_empty(), *issues]), usable.select(*FEATURES))


def _usable(records: pl.DataFrame, section: Labels) -> pl.DataFrame:
    """The records whose labels can be judged: record_id, batch, source, label, text, by source and record_id."""
    chosen = records if section.sources is None else records.filter(pl.col("source").is_in(section.sources))
    labelled = chosen.select(*KEY, "source", "label", text=record_text(chosen)).drop_nulls("label")
    usable = labelled.filter(pl.len().over("source", "label") >= section.folds).sort("source", "record_id")
    return usable.filter(pl.col("label").n_unique().over("source") > 1)


def _reusable(before: Judged, source: pl.DataFrame) -> pl.DataFrame | None:
    """The earlier issues of a source, if it has the same records and none of them changed."""
    name = source["source"][0]
    issues = before.issues.filter(pl.col("source") == name)
    unchanged = before.features.join(source, on=[*KEY, "source"], how="semi")
    return issues if issues.height == unchanged.height == source.height else None


def _embedded(usable: pl.DataFrame, sources: Sequence[str], progress: Progress | None, encode: Encode) -> pl.DataFrame:
    """The rows, those of these sources with the stored embedding of their text, computed where it is null.

    All sources are embedded in one call, because loading the model takes seconds.
    """
    numbered = usable.with_row_index()
    new = numbered.filter(pl.col("source").is_in(sources) & pl.col("embedding").is_null())
    rows = embed(new["text"].to_list(), progress, encode).astype(STORED)
    embedded = new.with_columns(embedding=pl.Series([row.tobytes() for row in rows], dtype=pl.Binary))
    return pl.concat([numbered.join(new, on="index", how="anti"), embedded]).sort("index").drop("index")


def _judged(source: pl.DataFrame, section: Labels) -> pl.DataFrame:
    # Imported here: it takes seconds.
    from fineline.resources.data.curation.label_issues import judge

    rows = None
    if section.features == "embeddings":
        rows = np.frombuffer(b"".join(source["embedding"]), STORED).reshape(-1, DIMENSIONS)
    return judge(source, rows, section.folds)
