"""What a corpus is about: clusters of sentence embeddings, named by their own words. Importing this takes seconds."""

from collections.abc import Callable

import numpy as np
import polars as pl
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import CountVectorizer
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from fineline.resources.data.curation.embeddings import embed
from fineline.resources.data.deduplication.signatures import record_text

# Enough for shares to within 1.4 percentage points, and no hour of embedding.
SAMPLE = 5_000
NAMING_TERMS = 3


def topics(
    records: pl.DataFrame, number: int, progress: Callable[[int, int], None] | None = None, seed: int = 0
) -> pl.DataFrame:
    """At most ``number`` topics of a sample of at most 5,000 records: topic, records, share; the largest first.

    K-means over embeddings; a topic is called by the words that are most its own, by c-TF-IDF (Grootendorst:
    BERTopic, 2022). The sample is the records whose ids, which are hashes, come first. ``progress`` is told how
    many texts are embedded, of how many.

    Raises:
        EmbeddingError: the embedding model is not installed.
    """
    sample = records.sort("record_id").head(SAMPLE)
    texts = record_text(sample).to_list()
    if not texts:
        return pl.DataFrame(schema={"topic": pl.String, "records": pl.UInt32, "share": pl.Float64})
    vectors = embed(texts, progress)
    # Many threads on a matrix this small wait for each other.
    with threadpool_limits(1):
        clusters = KMeans(min(number, len(set(texts))), random_state=seed).fit_predict(vectors)
    names = pl.Series("topic", _names(texts, clusters))
    counts = pl.DataFrame({"cluster": clusters}).group_by("cluster").len("records").sort("cluster")
    return (
        counts.with_columns(names, share=pl.col("records") / len(texts))
        .select("topic", "records", "share")
        .sort("records", "topic", descending=[True, False])
    )


def _names(texts: list[str], clusters: np.ndarray[tuple[int], np.dtype[np.int32]]) -> list[str]:
    """For each cluster, in order, the words with most tf · log(1 + mean words a cluster / tf in all)."""
    words = CountVectorizer(stop_words="english", token_pattern=r"(?u)\b[^\W\d_]{3,}\b")
    joined = [" ".join(texts[row] for row in np.flatnonzero(clusters == each)) for each in np.unique(clusters)]
    counts = words.fit_transform([*joined, "nothing"])[:-1].toarray()
    weights = counts * np.log1p(counts.sum(axis=1).mean() / np.maximum(counts.sum(axis=0), 1))
    terms = words.get_feature_names_out()
    found = [[terms[term] for term in row.argsort()[::-1][:NAMING_TERMS] if row[term] > 0] for row in weights]
    return [", ".join(best) or "no words" for best in found]
