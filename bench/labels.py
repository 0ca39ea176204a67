"""Label errors: a tenth of the labels of real bank questions is flipped, and looked for."""

import random
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import polars as pl
from figures import Figure
from rows import data

from fineline.resources.core.recipe.curation import Labels
from fineline.resources.core.recipe.sources import Columns, Files
from fineline.resources.data.curation.embeddings import embed
from fineline.resources.data.curation.label_reuse import judge_labels
from fineline.resources.data.sources.kinds import connector

DATA = data()
FLIPPED = 0.1


@dataclass(frozen=True)
class Found:
    """How the flagged rows agree with the flipped ones."""

    flagged: set[str]
    flipped: set[str]

    @property
    def precision(self) -> float:
        return len(self.flagged & self.flipped) / max(len(self.flagged), 1)

    @property
    def recall(self) -> float:
        return len(self.flagged & self.flipped) / len(self.flipped)


def measure(*, short: bool) -> list[Figure]:
    """Precision and recall, with labels flipped to any other and to the nearest other; the corpus has errors too.

    The short form takes all rows too: with fewer intents it is another task, which flatters precision.
    """
    records = _bank_questions()
    intents = sorted(set(records["label"]))
    draw = random.Random(0)
    flipped = _flip(records, draw, {intent: [other for other in intents if other != intent] for intent in intents})
    note = f"banking77, {records.height:,} rows, {len(intents)} intents, {len(flipped[1]):,} labels flipped"
    found, coarse = _found(*flipped), _found(*flipped, features="words")
    peer = f"TF-IDF of words, cleanlab {version('cleanlab')}"
    figures = [
        Figure("labels.precision", found.precision, "share", found.precision, coarse.precision, peer, note),
        Figure("labels.recall", found.recall, "share", found.recall, coarse.recall, peer, note),
    ]
    if short:
        return figures
    native = _flagged(records)
    known = Found(found.flagged - (native - found.flipped), found.flipped)
    nearest = _found(*_flip(records, draw, _nearest(records, intents)))
    return [
        *figures,
        Figure("labels.native", len(native) / records.height, "share", note="rows flagged before any label is flipped"),
        Figure("labels.precision_known", known.precision, "share", note="the same, without what was flagged before"),
        Figure("labels.precision_nearest", nearest.precision, "share", note="flipped to the most similar intent"),
        Figure("labels.recall_nearest", nearest.recall, "share", note="flipped to the most similar intent"),
    ]


def _bank_questions() -> pl.DataFrame:
    source = Files(
        name="banking77",
        kind="files",
        path=DATA / "labels" / "banking77_train.csv.gz",
        licence="CC-BY-4.0",
        columns=Columns(text="text", label="category"),
    )
    kind = connector(source)
    parts = [part for batch in kind.batches(source) for part in kind.read(source, f"{source.name}/{batch.name}", batch)]
    records = pl.concat([part.records for part in parts])
    return records.unique("record_id").sort("record_id")


def _flip(records: pl.DataFrame, draw: random.Random, others: dict[str, list[str]]) -> tuple[pl.DataFrame, set[str]]:
    wrong = set(draw.sample(range(records.height), round(FLIPPED * records.height)))
    labels = [draw.choice(others[label]) if row in wrong else label for row, label in enumerate(records["label"])]
    flipped = records.with_columns(label=pl.Series(labels))
    return flipped, {records["record_id"][row] for row in wrong}


def _nearest(records: pl.DataFrame, intents: list[str]) -> dict[str, list[str]]:
    """The intent whose questions are most like those of an intent, by the mean of their embeddings."""
    texts = records["completion"].list.first().struct.field("content").to_list()
    vectors = embed(texts)
    centres = np.stack([vectors[(records["label"] == intent).to_numpy()].mean(axis=0) for intent in intents])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    likeness = centres @ centres.T - 2 * np.eye(len(intents))
    return {intent: [intents[int(row.argmax())]] for intent, row in zip(intents, likeness, strict=True)}


def _flagged(records: pl.DataFrame, features: str = "embeddings") -> set[str]:
    issues = judge_labels(records, Labels.model_validate({"features": features})).issues
    return set(issues.filter("is_issue")["record_id"])


def _found(records: pl.DataFrame, flipped: set[str], features: str = "embeddings") -> Found:
    return Found(_flagged(records, features), flipped)
