"""What a corpus is made of: its records by source, label and length, and by topics of their embeddings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from fineline.data_contracts.messages import MESSAGE_COLUMNS, content_length, record_text
from fineline.resources.data.curation.embeddings import Encode, embed, encode

# Characters of the answer, or of the text.
LENGTHS = [100, 500, 2000, 8000]
# Values of one kind that are listed, the most frequent.
SHOWN = 20
# Enough for shares to within 1.4 percentage points, without an hour of embedding.
SAMPLE = 5_000
NAMING_TERMS = 3


def composition(records: pl.LazyFrame) -> pl.DataFrame:
    """The number of records of each source, label and length band: by, value, records, share of all.

    Lists the 20 most frequent sources and labels.
    """
    length = content_length("completion")
    bands = [pl.when(length <= limit).then(pl.lit(f"up to {limit} characters")) for limit in LENGTHS]
    band = pl.coalesce(*bands, pl.lit(f"over {LENGTHS[-1]} characters"))
    of = {"source": pl.col("source"), "label": pl.format("{}: {}", "source", "label"), "length": band}
    counts = [
        records.select(by=pl.lit(name), value=value).drop_nulls().group_by("by", "value").len("records")
        for name, value in of.items()
    ]
    total = records.select(pl.len()).collect().item()
    order = [pl.col("by") == "length", pl.col("by") == "label", "records", "value"]
    return (
        pl.concat(pl.collect_all(counts))
        .with_columns(share=pl.col("records") / max(total, 1))
        .sort(order, descending=[False, False, True, False])
        .group_by("by", maintain_order=True)
        .head(SHOWN)
    )


def topics(
    records: pl.LazyFrame,
    number: int,
    progress: Callable[[int, int], None] | None = None,
    encode: Encode = encode,
) -> pl.DataFrame:
    """At most ``number`` topics of a sample of at most 5,000 records: topic, records, share; the largest first.

    Topics are clusters of embeddings by K-means. A topic is named by the words that are most its own, by c-TF-IDF
    (Grootendorst: BERTopic, 2022). The sample is the records whose ids, which are hashes, come first. ``progress``
    gets (texts embedded, texts).

    Raises:
        EmbeddingError: the embedding model is not installed.
    """
    # Imported here: scikit-learn takes seconds.
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    sample = records.select("record_id", *MESSAGE_COLUMNS).sort("record_id").head(SAMPLE).collect()
    texts = record_text(sample).to_list()
    if not texts:
        return pl.DataFrame(schema={"topic": pl.String, "records": pl.UInt32, "share": pl.Float64})
    vectors = embed(texts, progress, encode)
    # On a matrix this small, threads spend their time waiting for each other.
    with threadpool_limits(1):
        clusters = KMeans(min(number, len(set(texts))), random_state=0).fit_predict(vectors)
    names = pl.Series("topic", _names(texts, clusters))
    counts = pl.DataFrame({"cluster": clusters}).group_by("cluster").len("records").sort("cluster")
    return (
        counts.with_columns(names, share=pl.col("records") / len(texts))
        .select("topic", "records", "share")
        .sort("records", "topic", descending=[True, False])
    )


def _names(texts: list[str], clusters: np.ndarray[tuple[int], np.dtype[np.int32]]) -> list[str]:
    """For each cluster, in order, the words with most tf · log(1 + mean words a cluster / tf in all)."""
    from sklearn.feature_extraction.text import CountVectorizer

    words = CountVectorizer(stop_words="english", token_pattern=r"(?u)\b[^\W\d_]{3,}\b")
    joined = [" ".join(texts[row] for row in np.flatnonzero(clusters == each)) for each in np.unique(clusters)]
    counts = words.fit_transform([*joined, "nothing"])[:-1].toarray()
    weights = counts * np.log1p(counts.sum(axis=1).mean() / np.maximum(counts.sum(axis=0), 1))
    terms = words.get_feature_names_out()
    found = [[terms[term] for term in row.argsort()[::-1][:NAMING_TERMS] if row[term] > 0] for row in weights]
    return [", ".join(best) or "no words" for best in found]
