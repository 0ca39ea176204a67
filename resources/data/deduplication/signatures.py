"""MinHash signatures of records, and the similar pairs that they lead to."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import polars as pl
import pyarrow as pa
from datasketch import MinHash

from fineline.data_contracts import catalog
from fineline.data_contracts.curation import Signature
from fineline.data_contracts.messages import MESSAGE_COLUMNS, joined_contents
from fineline.resources.core.compute.engine import Engine
from fineline.resources.core.recipe.curation import Deduplicate
from fineline.resources.core.storage.tables import StagedPart, TableOutput, stage_part
from fineline.resources.core.storage.units import Rows, Snapshot, run_units
from fineline.resources.data.deduplication.buffers import Texts, in_slices
from fineline.resources.data.deduplication.kernels.characters import characters
from fineline.resources.data.deduplication.kernels.text import describe_rows, sketch_rows
from fineline.resources.data.deduplication.lsh import band_keys, candidates, members
from fineline.resources.data.deduplication.shingles import ShingleSets

# Records of a unit of work, and the seconds that one takes a processor.
UNIT_RECORDS = 50_000
SECONDS_A_RECORD = 2e-5
SKETCHED = ("content_hash", "characters", "words", "shingles", "signature")
SIGNED_TYPES = {**Signature.create_empty().schema, "words": pl.UInt32()}


@dataclass(frozen=True)
class Signing:
    """Builds the worker that signs rows of scrubbed batches, which ``snapshot`` holds, and stages the signatures."""

    snapshot: Snapshot
    section: Deduplicate

    def __call__(self) -> Callable[[Rows], StagedPart]:
        """The worker of a process."""
        return self._staged

    def batches(
        self, engine: Engine, batches: Sequence[str], report: Callable[[int, int], None]
    ) -> Iterator[tuple[str | None, Iterator[StagedPart]]]:
        """Each batch with the parts of its signatures, which must be taken before those of the next one."""
        units = self.snapshot.units(catalog.SCRUBBED_CORPUS.name, batches, UNIT_RECORDS)
        parts = run_units(engine, self, units, report, seconds_a_row=SECONDS_A_RECORD)
        return groupby(parts, key=lambda part: part.batch)

    def _staged(self, unit: Rows) -> StagedPart:
        records = self.snapshot.read(catalog.SCRUBBED_CORPUS.name, unit)
        output = TableOutput(sign(records, self.section), rows_in=records.height)
        return stage_part(self.snapshot.storage, catalog.MINHASH_SIGNATURES.name, unit.batch, output)


def whole_or_prompt(section: Deduplicate) -> pl.Expr:
    """The text of a record that is compared: the whole record, or by prompt its prompt where it has one."""
    whole = joined_contents(*MESSAGE_COLUMNS)
    if section.by == "record":
        return whole
    prompt = joined_contents("prompt")
    return pl.when(prompt != "").then(prompt).otherwise(whole)


def compared_text(records: pl.DataFrame, section: Deduplicate) -> pl.Series:
    """The text of each record that is signed and compared."""
    return records.select(text=whole_or_prompt(section)).to_series()


def sign(records: pl.DataFrame, section: Deduplicate) -> pl.DataFrame:
    """Sign scrubbed records: one ``Signature`` row a record, sorted by batch and record_id.

    The values are those of ``datasketch.MinHash(permutations, seed, hashfunc=shingle_hash)`` with its default scheme,
    updated with the UTF-8 bytes of the ``shingles`` of the record's normalised text.
    """
    ordered = records.sort("batch", "record_id")
    identity = ordered.select("record_id", "batch", "source", "replacements")
    replaced = (100 * pl.col("replacements") / pl.max_horizontal("words", 1)).floor()
    return (
        pl.concat([identity, sketch(compared_text(ordered, section), section)], how="horizontal")
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
        counts = np.empty((3, part.rows), dtype=np.uint32)
        signatures = np.empty((part.rows, section.permutations), dtype=np.uint32)
        describe_rows(part.data, part.offsets, digests, counts[0], counts[1])
        sketch_rows(part.data, part.offsets, section.shingle_words, kind, a, b, counts[2], signatures)
        hexadecimal = pa.LargeStringArray.from_buffers(
            part.rows, pa.py_buffer(np.arange(part.rows + 1) * 32), pa.py_buffer(digests)
        )
        ends = np.arange(part.rows + 1) * section.permutations
        lists = pa.LargeListArray.from_arrays(ends, signatures.ravel())
        return pl.DataFrame(
            dict(zip(SKETCHED, [pl.Series(hexadecimal), *map(pl.Series, counts), pl.Series(lists)], strict=True))
        )

    empty = pl.DataFrame(schema={name: SIGNED_TYPES[name] for name in SKETCHED})
    return pl.concat([empty, *in_slices(texts, sketched)], rechunk=False)


def with_signatures(records: pl.DataFrame, signatures: pl.DataFrame, section: Deduplicate) -> pl.DataFrame:
    """The records with their content_hash, shingles and signature, in the same order.

    Raises:
        ValueError: a record has no signature.
    """
    needed = signatures.select("record_id", "batch", "content_hash", "shingles", "signature")
    signed = records.join(needed, on=["record_id", "batch"], how="left", maintain_order="left")
    missing = signed["signature"].null_count()
    if missing:
        raise ValueError(f"{missing} records have no signature; sign their batches first.")
    return signed


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
