"""Label issues and outliers of one source, found by cleanlab. Importing this module takes seconds."""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from cleanlab import Datalab
from cleanlab.count import num_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

# More of either gains little on short texts and costs minutes on 20,000 of them.
TFIDF_FEATURES = 5_000
# Dimensions of the latent semantic analysis in which texts without embeddings have neighbours.
LSA_DIMENSIONS = 100
REGULARISATION = 10.0
SEED = 0
# cleanlab's two estimates of the number of wrong labels: the first is a lower bound, the second too high where classes
# are alike. With their mean, precision and recall are above .85 in all of seven tests on banking77, with 2 to 77
# classes and 5 to 20 % of the labels flipped; with the first alone, recall is .80 to .94.
ESTIMATES = ("off_diagonal", "off_diagonal_calibrated")
# cleanlab's default.
NEIGHBOURS = 10


def judge(records: pl.DataFrame, embeddings: npt.NDArray[Any] | None, folds: int) -> pl.DataFrame:
    """Judge the labels of one source: one ``LabelIssue`` row for each of ``records``, in their order.

    ``records`` are record_id, batch, source, label, text; ``embeddings`` are the texts' (rows, dimensions), or None for
    TF-IDF of their words. A logistic regression on them is cross-validated, so that no record is judged by a model
    that saw its label. cleanlab then finds label issues by confident learning (Northcutt, Jiang, Chuang: Confident
    Learning, JAIR 2021), and outliers by the distance to the nearest neighbours (Kuan, Mueller: Back to the Basics,
    ICML workshop 2022).

    A person should look at what is flagged; it should not be deleted. Of what cleanlab flagged in ten well known test
    sets, people confirmed 51 % as errors, and on the corrected sets other models win (Northcutt, Athalye, Mueller:
    Pervasive Label Errors, NeurIPS 2021).
    """
    names, labels = np.unique(records["label"].to_numpy(), return_inverse=True)
    if embeddings is not None:
        features: Any = embeddings.astype(np.float32)
        places = features
    else:
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=TFIDF_FEATURES)
        features = words.fit_transform(records["text"].to_list())
        places = TruncatedSVD(min(LSA_DIMENSIONS, features.shape[1]), random_state=SEED).fit_transform(features)
    probabilities = _out_of_sample(features, labels, folds)
    scores = get_label_quality_scores(labels, probabilities)
    issues = _issues(labels, places)
    return records.select(
        "record_id",
        "batch",
        "source",
        "label",
        suggested_label=pl.Series(names[probabilities.argmax(axis=1)], dtype=pl.String),
        label_quality=pl.Series(scores).cast(pl.Float64).clip(0.0, 1.0),
        is_issue=_worst(labels, probabilities, scores),
        outlier_score=pl.Series(issues["outlier_score"]).cast(pl.Float64).clip(0.0, 1.0),
        is_outlier=pl.Series(issues["is_outlier_issue"]),
        is_rare_label=pl.Series(issues["is_class_imbalance_issue"]),
    )


def _out_of_sample(features: Any, labels: npt.NDArray[np.int64], folds: int) -> npt.NDArray[np.float64]:
    """Probabilities of each label for each row, from models that were not trained on the row: (rows, labels)."""
    # On matrices this small, threads spend their time waiting for each other: 39 s against 1.4 s for 1,436 texts.
    with threadpool_limits(1):
        probabilities: npt.NDArray[np.float64] = cross_val_predict(
            LogisticRegression(C=REGULARISATION, tol=1e-3, max_iter=1000),
            features,
            labels,
            cv=StratifiedKFold(folds, shuffle=True, random_state=SEED),
            method="predict_proba",
        )
    return probabilities


def _worst(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64], scores: npt.NDArray[np.float64]
) -> pl.Series:
    """Marks, among the rows for which another label is likelier, the worst, as many as are estimated to be wrong."""
    counts = [num_label_issues(labels, probabilities, estimation_method=method) for method in ESTIMATES]
    doubted = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    worst = doubted[np.argsort(scores[doubted], kind="stable")][: sum(counts) // len(counts)]
    return pl.Series(np.isin(np.arange(len(labels)), worst))


def _issues(labels: npt.NDArray[np.int64], places: npt.NDArray[np.floating[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Datalab's columns about outliers and rare labels.

    Labels are not judged by Datalab: none of its filters reaches .85 of both precision and recall.
    """
    neighbours = min(NEIGHBOURS, len(labels) - 1)
    # For rows of unit length, half of the squared Euclidean distance is Datalab's distance, 1 - cosine; scikit-learn
    # finds these neighbours in a third of the time.
    search = NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(normalize(places))
    graph = search.kneighbors_graph(mode="distance")
    graph.data = np.square(graph.data) / 2
    lab = Datalab({"label": labels}, label_name="label", verbosity=0)
    lab.find_issues(knn_graph=graph, issue_types={"outlier": {"k": neighbours}, "class_imbalance": {}})
    found = lab.get_issues()
    return {name: found[name].to_numpy() for name in found.columns}
