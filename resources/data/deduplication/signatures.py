"""MinHash signatures of records, and the similar pairs that they lead to."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
from datasketch import MinHash

from fineline.data_contracts import catalog
from fineline.data_contracts.curation import Signature
from fineline.data_contracts.messages import MESSAGE_COLUMNS, joined_contents
from fineline.resources.core.recipe.curation import Deduplicate
from fineline.resources.core.storage.tables import TableOutput
from fineline.resources.core.storage.units import Rows, TableWork
from fineline.resources.data.deduplication.buffers import Texts, in_slices
from fineline.resources.data.deduplication.kernels.bands import sketch_rows
from fineline.resources.data.deduplication.kernels.characters import characters
from fineline.resources.data.deduplication.kernels.text import describe_rows, shingle_rows
from fineline.resources.data.deduplication.lsh import band_keys, candidates, members
from fineline.resources.data.deduplication.shingles import ShingleSets


@dataclass(frozen=True)
class Signing(TableWork):
    """Signs the records of scrubbed batches."""

    asset = catalog.MINHASH_SIGNATURES.name
    unit_rows = 50_000
    seconds_a_row = 2e-5
    section: Deduplicate

    def output(self, unit: Rows) -> TableOutput:
        """The signature of each record of the unit."""
        records = self.snapshot.read(catalog.SCRUBBED_CORPUS.name, unit)
        return TableOutput(sign(records, self.section), rows_in=records.height)


def compared_text(section: Deduplicate) -> pl.Expr:
    """The text of a record that is compared: the whole record, or by prompt its prompt where it has one."""
    whole = joined_contents(*MESSAGE_COLUMNS)
    if section.by == "record":
        return whole
    prompt = joined_contents("prompt")
    return pl.when(prompt != "").then(prompt).otherwise(whole)


def sign(records: pl.DataFrame, section: Deduplicate) -> pl.DataFrame:
    """Sign scrubbed records: one ``Signature`` row a record, sorted by batch and record_id.

    The values are those of ``datasketch.MinHash(permutations, seed, hashfunc)`` with its default scheme, updated with
    the UTF-8 bytes of the ``shingles`` of the record's normalised text; ``hashfunc`` is the lower half of XXH64.
    """
    ordered = records.sort("batch", "record_id")
    identity = ordered.select("record_id", "batch", "source", "replacements")
    replaced = (100 * pl.col("replacements") / pl.max_horizontal("words", 1)).floor()
    return (
        pl.concat([identity, sketch(ordered.select(compared_text(section)).to_series(), section)], how="horizontal")
        .with_columns(replaced_percent=replaced)
        .select(Signature.column_names())
        .cast(Signature.create_empty().schema)
    )


def sketch(texts: pl.Series, section: Deduplicate) -> pl.DataFrame:
    """Content hash, characters, words, distinct shingles and signature of each text, in the order of the texts."""
    a, b = MinHash(section.permutations, section.seed).permutations
    kind = characters().kind

    def sketched(part: Texts) -> pl.DataFrame:
        digests = np.empty((part.rows, 32), dtype=np.uint8)
        counts = np.empty((2, part.rows), dtype=np.uint32)
        signatures = np.empty((part.rows, section.permutations), dtype=np.uint32)
        describe_rows(part.data, part.offsets, digests, *counts)
        hashes, bounds = shingle_rows(part.data, part.offsets, section.shingle_words, kind)
        sketch_rows(hashes, bounds, a, b, signatures)
        ends = np.arange(part.rows + 1)
        hexadecimal = pa.LargeStringArray.from_buffers(part.rows, pa.py_buffer(ends * 32), pa.py_buffer(digests))
        columns = {
            "content_hash": pl.Series(hexadecimal),
            "characters": counts[0],
            "words": counts[1],
            "shingles": np.diff(bounds).astype(np.uint32),
            "signature": pl.Series(pa.LargeListArray.from_arrays(ends * section.permutations, signatures.ravel())),
        }
        return pl.DataFrame(columns)

    return pl.concat(in_slices(texts, sketched), rechunk=False)


def similar_pairs(signed: pl.DataFrame, texts: pl.Series, section: Deduplicate) -> pl.DataFrame:
    """Pairs of rows whose Jaccard similarity reaches the threshold: left < right, similarity.

    ``signed`` holds the signatures of the rows, ``texts`` their texts. Rows whose signatures agree in a whole band are
    candidates, and each candidate is verified on the shingles of its texts: no pair is wrong, a few may be missed. In
    a bucket of more than ``BUCKET_LEADERS`` rows only the first that many are compared with all, so the rows that
    should represent others must come first.

    Raises:
        ValueError: signatures do not have the section's length.
    """
    keys = band_keys(signed["signature"], section.threshold, section.permutations)
    pairs = candidates(keys, np.arange(signed.height), signed["shingles"].to_numpy(), section.threshold)
    rows, left, right = members(pairs)
    sets = ShingleSets.of(texts.gather(rows), section.shingle_words)
    return pairs.with_columns(similarity=sets.jaccard(left, right)).filter(pl.col("similarity") >= section.threshold)
