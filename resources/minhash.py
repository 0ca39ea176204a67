"""MinHash signatures of records, and the pairs of similar records that they lead to."""

import hashlib
import unicodedata
from functools import lru_cache
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import polars as pl
from datasketch import MinHash
from datasketch.hashfunc import sha1_hash32
from scipy.sparse import csr_array

from fineline.data_contracts.curation import Signature
from fineline.resources.recipe_data import Deduplicate

# About 200 MB of the shingles met last: records that resemble each other share most of theirs.
REMEMBERED_SHINGLES = 2**20
# A pair that is just as similar as the threshold shares a band with at least this probability.
CANDIDATE_RECALL = 0.95
# Each member of a bucket is compared with the bucket's first members, at most this many, so the pairs of a
# bucket grow linearly. Up to this size that is all with all.
BUCKET_LEADERS = 256
PAIRS_AT_ONCE = 50_000


def record_text(records: pl.DataFrame) -> pl.Series:
    """The whole record as one text: the contents of prompt, completion and rejected, one a line."""
    contents = [
        pl.col(column).list.eval(pl.element().struct.field("content")).list.join("\n")
        for column in ("prompt", "completion", "rejected")
    ]
    filled = [pl.when(content != "").then(content) for content in contents]
    return records.select(text=pl.concat_str(filled, separator="\n", ignore_nulls=True)).to_series()


def normalise(text: str) -> str:
    """The text as it is compared: NFKC, case folded, every run of white space one space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def content_hash(normalised: str) -> str:
    """BLAKE2b of a normalised text, 16 bytes as 32 hexadecimal digits."""
    return hashlib.blake2b(normalised.encode(), digest_size=16).hexdigest()


def shingles(normalised: str, words: int) -> set[str]:
    """The distinct runs of ``words`` words; a shorter text is its own single shingle.

    So short texts are either equal or share nothing: none is ever a near-duplicate of another text.
    """
    ends = [end - 1 for end in accumulate(len(word) + 1 for word in normalised.split(" "))]
    if len(ends) < words:
        return {normalised}
    starts = [0, *(end + 1 for end in ends)]
    return {normalised[start:end] for start, end in zip(starts, ends[words - 1 :], strict=False)}


def sign(records: pl.DataFrame, section: Deduplicate) -> pl.DataFrame:
    """Sign records, one ``Signature`` row each, sorted by batch and record_id.

    The values are those of ``datasketch.MinHash(permutations, seed)`` with its default scheme and hash
    function, updated with the UTF-8 bytes of the shingles of the record's normalised text.
    """
    texts = [normalise(text) for text in record_text(records)]
    hashfunc = lru_cache(REMEMBERED_SHINGLES)(_hash_shingle)
    blank = MinHash(section.permutations, section.seed, hashfunc=hashfunc)
    sizes = np.empty(len(texts), dtype=np.uint32)
    signatures = np.empty((len(texts), section.permutations), dtype=np.uint32)
    for row, text in enumerate(texts):
        found = shingles(text, section.shingle_words)
        sketch = blank.copy()
        sketch.update_batch(found)
        sizes[row] = len(found)
        signatures[row] = sketch.hashvalues
    return (
        records.select("record_id", "batch")
        .with_columns(
            content_hash=pl.Series([content_hash(text) for text in texts], dtype=pl.String),
            shingles=pl.Series(sizes),
            signature=pl.Series(signatures).cast(Signature.create_empty().schema["signature"]),
        )
        .sort("batch", "record_id")
    )


def with_signatures(records: pl.DataFrame, signatures: pl.DataFrame, section: Deduplicate) -> pl.DataFrame:
    """The records with their content_hash, shingles and signature, in the same order.

    Raises:
        ValueError: a record has no signature, or signatures do not have the section's length.
    """
    signed = records.join(signatures, on=["record_id", "batch"], how="left", maintain_order="left")
    missing = signed["signature"].null_count()
    if missing:
        raise ValueError(f"{missing} records have no signature; sign their batches first.")
    if (signed["signature"].list.len() != section.permutations).any():
        raise ValueError(
            f"Signatures do not have the {section.permutations} values that the recipe asks for; "
            "sign all batches again."
        )
    return signed


def similar_pairs(signed: pl.DataFrame, texts: pl.Series, section: Deduplicate) -> pl.DataFrame:
    """Pairs of rows with a Jaccard similarity of at least the threshold: left < right, similarity.

    ``signed`` holds signatures, ``texts`` the normalised texts of the same rows. Rows whose signatures agree
    in a whole band are candidates, and each candidate is confirmed on the shingles of its texts: no pair is
    wrong, a few may be missed. Of a bucket with more than ``BUCKET_LEADERS`` rows, the first that many are
    compared with all: so put first the rows that should stand for others.
    """
    signatures = signed["signature"].explode().to_numpy().reshape(-1, section.permutations)
    candidates = _candidates(signatures, section.threshold)
    rows = pl.concat([candidates["left"], candidates["right"]]).unique().sort()
    matrix = _shingle_matrix(texts.gather(rows), section.shingle_words)
    sizes = np.diff(matrix.indptr)
    similarities = [np.empty(0)]
    for pairs in candidates.iter_slices(PAIRS_AT_ONCE):
        left, right = rows.search_sorted(pairs["left"]), rows.search_sorted(pairs["right"])
        shared = matrix[left.to_numpy()].multiply(matrix[right.to_numpy()]).sum(axis=1)
        similarities.append(shared / (sizes[left.to_numpy()] + sizes[right.to_numpy()] - shared))
    return candidates.with_columns(similarity=np.concatenate(similarities)).filter(
        pl.col("similarity") >= section.threshold
    )


def rows_per_band(threshold: float, permutations: int) -> int:
    """The most rows a band may have for ``CANDIDATE_RECALL`` at the threshold, at least 1.

    A pair of similarity s shares one of b bands of r rows with probability 1 - (1 - s^r)^b (Leskovec,
    Rajaraman, Ullman: Mining of Massive Datasets, section 3.4.2).
    """
    recalls = {rows: 1 - (1 - threshold**rows) ** (permutations // rows) for rows in range(1, permutations + 1)}
    return max((rows for rows, recall in recalls.items() if recall >= CANDIDATE_RECALL), default=1)


def _candidates(signatures: npt.NDArray[np.uint32], threshold: float) -> pl.DataFrame:
    """Distinct pairs of rows that agree in a whole band, sorted: left < right."""
    permutations = signatures.shape[1]
    rows = rows_per_band(threshold, permutations)
    pairs = pl.DataFrame(schema={"left": pl.UInt32, "right": pl.UInt32})
    for start in range(0, permutations - rows + 1, rows):
        band = pl.DataFrame(signatures[:, start : start + rows])
        members = (
            pl.DataFrame({"right": pl.int_range(band.height, dtype=pl.UInt32, eager=True)})
            .with_columns(bucket=band.hash_rows())
            .with_columns(position=pl.int_range(pl.len()).over("bucket"))
            .filter(pl.len().over("bucket") > 1)
        )
        leaders = members.filter(pl.col("position") < BUCKET_LEADERS).rename({"right": "left"})
        met = members.join(leaders, on="bucket").filter(pl.col("left") < pl.col("right"))
        pairs = pl.concat([pairs, met.select("left", "right")]).unique()
    return pairs.sort("left", "right")


def _shingle_matrix(texts: pl.Series, words: int) -> csr_array:
    """One row a text, one column a distinct shingle, 1 where the text has the shingle."""
    columns: dict[str, int] = {}
    indices: list[int] = []
    ends = [0]
    for text in texts:
        indices += [columns.setdefault(shingle, len(columns)) for shingle in shingles(text, words)]
        ends.append(len(indices))
    ones = np.ones(len(indices), dtype=np.int32)
    return csr_array((ones, np.array(indices, dtype=np.int32), np.array(ends)), shape=(len(texts), len(columns)))


def _hash_shingle(shingle: str) -> int:
    return int(sha1_hash32(shingle.encode()))
