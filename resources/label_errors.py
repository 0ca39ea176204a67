"""Labels that do not fit their text, by confident learning. Importing this module takes seconds."""

import numpy as np
import numpy.typing as npt
import polars as pl
from cleanlab.filter import find_label_issues as find_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from fineline.data_contracts.curation import LabelIssue
from fineline.resources.minhash import record_text
from fineline.resources.recipe_data import Quality

# More of either gains little on short texts and costs minutes on 20,000 of them.
FEATURES = 5_000
REGULARISATION = 10.0
# Only what both of cleanlab's prunings flag. With a tenth of the labels of banking77 flipped, precision is .78
# instead of .65, and recall .79 instead of .80.
PRUNING = "both"


def find_label_issues(records: pl.DataFrame, section: Quality, seed: int = 0) -> pl.DataFrame:
    """Judge labels, one ``LabelIssue`` row for each labelled record, sorted by source and record_id.

    Each source is judged by itself: TF-IDF and logistic regression, cross-validated so that no record is
    judged by a model that saw its label, then cleanlab's confident learning (Northcutt, Jiang, Chuang:
    Confident Learning, JAIR 2021). Labels with fewer records than folds cannot be cross-validated and are
    left out, and so are sources that have fewer than two labels then.
    """
    labelled = records.select("record_id", "source", "label", text=record_text(records)).drop_nulls("label")
    usable = labelled.filter(pl.len().over("source", "label") >= section.label_folds).sort("source", "record_id")
    several = usable.filter(pl.col("label").n_unique().over("source") > 1)
    judged = [
        _judge(source, section.label_folds, seed) for source in several.partition_by("source", maintain_order=True)
    ]
    return pl.concat([LabelIssue.create_empty(), *judged])


def _judge(records: pl.DataFrame, folds: int, seed: int) -> pl.DataFrame:
    names, labels = np.unique(records["label"].to_numpy(), return_inverse=True)
    probabilities = _out_of_sample(records["text"].to_list(), labels, folds, seed)
    return records.select(
        "record_id",
        "source",
        "label",
        suggested_label=pl.Series(names[probabilities.argmax(axis=1)], dtype=pl.String),
        label_quality=pl.Series(get_label_quality_scores(labels, probabilities)).clip(0.0, 1.0),
        is_issue=pl.Series(find_issues(labels, probabilities, filter_by=PRUNING, n_jobs=1)),
    )


def _out_of_sample(texts: list[str], labels: npt.NDArray[np.int64], folds: int, seed: int) -> npt.NDArray[np.float64]:
    """Probabilities of each label for each text, by models that were not trained on the text: (texts, labels)."""
    features = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=FEATURES).fit_transform(texts)
    # Many threads on matrices this small wait for each other: 39 s against 1.4 s for 1,436 texts.
    with threadpool_limits(1):
        probabilities: npt.NDArray[np.float64] = cross_val_predict(
            LogisticRegression(C=REGULARISATION, tol=1e-3, max_iter=1000),
            features,
            labels,
            cv=StratifiedKFold(folds, shuffle=True, random_state=seed),
            method="predict_proba",
        )
    return probabilities
