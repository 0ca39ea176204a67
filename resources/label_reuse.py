"""Labels of a corpus that grows: a source without news keeps its judgement, and known texts their embeddings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from fineline.data_contracts.curation import LabelIssue
from fineline.data_contracts.records import MESSAGE_COLUMNS
from fineline.resources.embeddings import DIMENSIONS, embed
from fineline.resources.minhash import record_text
from fineline.resources.recipe_curation import Labels

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
    """Judge the labels of each source, see :func:`fineline.resources.label_errors.judge`.

    Of ``before``, an earlier outcome for the same section, ``features`` holds only records that are the same
    today. A source of which these are all, and were all, keeps its issues; elsewhere no text is embedded again. The
    outcome is the same without it. Labels with fewer records than folds are left out, and so are sources that have
    fewer than two labels then.

    Raises:
        EmbeddingError: the section asks for embeddings, and their model is not installed.
    """
    issues, features = [LabelIssue.create_empty()], [pl.DataFrame(schema=FEATURES)]
    for source in _usable(records, section).partition_by("source", maintain_order=True):
        known = pl.DataFrame(schema=FEATURES) if before is None else before.features
        found = source.drop("text").join(known, on=[*KEY, "source"], how="left", maintain_order="left")
        held = None if before is None else _held(before, source)
        if held is None:
            # Imported here: it takes seconds.
            from fineline.resources.label_errors import judge

            embeddings = _embedded(source["text"], found["embedding"], section, progress)
            held = judge(source, embeddings, section.folds, seed)
            found = found.with_columns(embedding=_stored(embeddings, source.height))
        issues.append(held)
        features.append(found.select(*FEATURES))
    return Judged(pl.concat(issues), pl.concat(features))


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


def _embedded(
    texts: pl.Series, known: pl.Series, section: Labels, progress: Progress | None
) -> npt.NDArray[Any] | None:
    """The stored form of each text's embedding; only of texts without one is it made."""
    if section.features == "words":
        return None
    rows = np.empty((len(texts), DIMENSIONS), STORED)
    new = known.is_null().to_numpy()
    rows[~new] = np.frombuffer(b"".join(known.drop_nulls()), STORED).reshape(-1, DIMENSIONS)
    rows[new] = embed(texts.filter(pl.Series(new)).to_list(), progress)
    return rows


def _stored(rows: npt.NDArray[Any] | None, height: int) -> pl.Series:
    return pl.Series([None] * height if rows is None else [row.tobytes() for row in rows], dtype=pl.Binary)
