"""Deduplication of real records: speed beside three programs, recall beside brute force, seeded duplicates, growth.

Every program starts from the same texts in memory and ends with pairs or clusters. Programs take turns, and the
best turn of each counts, so that a busy machine slows all of them alike.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
from datasketch import MinHash, MinHashLSH
from figures import Figure
from rows import p3
from scipy.sparse import csr_array
from seeded import seeded_duplicates

from fineline.data_contracts.messages import record_text
from fineline.resources.core.recipe.curation import Deduplicate
from fineline.resources.data.deduplication.buffers import normalise
from fineline.resources.data.deduplication.clusters import find_clusters
from fineline.resources.data.deduplication.components import connect
from fineline.resources.data.deduplication.shingles import shingles
from fineline.resources.data.deduplication.signatures import sign, similar_pairs, sketch

SECTION = Deduplicate()
SAMPLE = 5_000
THRESHOLDS = (0.5, 0.7, 0.8, 0.9)
TURNS = 5


def measure(*, short: bool) -> list[Figure]:
    """All figures; the short form takes fewer records and fewer turns."""
    records = p3(6_000 if short else None).with_columns(replacements=pl.lit(0, pl.UInt32))
    return [
        *_speed(record_text(records), turns=2 if short else TURNS),
        *_recall(record_text(records), 1_000 if short else SAMPLE),
        *_seeded(records, 500 if short else 3_000),
        *_growth(records),
    ]


def clusters_of(texts: pl.Series) -> pl.Series:
    """From texts to verified clusters, as the assets do it."""
    signed = sketch(texts, SECTION)
    pairs = similar_pairs(signed, texts, SECTION)
    return connect(texts.len(), pairs["left"], pairs["right"])


def _speed(texts: pl.Series, turns: int) -> list[Figure]:
    listed = texts.to_list()
    programs: dict[str, Callable[[], float]] = {
        "ours": lambda: _timed(lambda: clusters_of(texts)),
        "datasketch": lambda: _timed(lambda: _datasketch(listed)),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.parquet"
        texts.to_frame("text").write_parquet(path)
        for peer in ("rensa", "text-dedup"):
            programs[peer] = lambda peer=peer: _peer(peer, path)
        clusters_of(texts.head(100))
        best = {name: float("inf") for name in programs}
        for _ in range(turns):
            best = {name: min(seconds, programs[name]()) for name, seconds in best.items()}
    versions = json.loads(_in_peers("versions", "-"))
    versions["datasketch"] = version("datasketch")
    rates = {name: texts.len() / seconds for name, seconds in best.items()}
    note = f"{texts.len():,} P3 records, text to clusters, {pl.thread_pool_size()} cores"
    return [
        Figure.ratio(
            f"deduplication.speed_over_{peer.replace('-', '_')}",
            rates["ours"],
            rates[peer],
            "records/s",
            f"{peer} {versions[peer]}",
            note,
        )
        for peer in ("datasketch", "rensa", "text-dedup")
    ]


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _datasketch(texts: list[str]) -> int:
    """The program of datasketch's documentation: shingles, ``MinHash.bulk``, query and insert."""
    sets = []
    for text in texts:
        words = text.lower().split()
        sets.append({" ".join(words[i : i + 5]).encode() for i in range(max(1, len(words) - 4))})
    index = MinHashLSH(threshold=SECTION.threshold, num_perm=SECTION.permutations)
    found = 0
    for row, sketched in enumerate(MinHash.bulk(sets, num_perm=SECTION.permutations, seed=SECTION.seed)):
        found += len(index.query(sketched))
        index.insert(row, sketched)
    return found


def _peer(name: str, path: Path) -> float:
    return float(_in_peers(name, str(path)))


def _in_peers(name: str, path: str) -> str:
    """What ``deduplication_peers.py`` prints last, in the environment of the peers."""
    python = os.environ.get("FINELINE_BENCH_PYTHON")
    if python is None or not Path(python).exists():
        raise FileNotFoundError(
            "The peers are not installed: run `make bench`, or let FINELINE_BENCH_PYTHON name the Python of an "
            "environment with bench/peers.txt."
        )
    script = Path(__file__).with_name("deduplication_peers.py")
    done = subprocess.run([python, str(script), name, path], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1]


def _recall(texts: pl.Series, size: int) -> list[Figure]:
    sample = texts.sample(size, seed=0)
    columns: dict[str, int] = {}
    indices: list[int] = []
    ends = [0]
    for text in sample:
        indices += [columns.setdefault(each, len(columns)) for each in shingles(normalise(text), SECTION.shingle_words)]
        ends.append(len(indices))
    matrix = csr_array((np.ones(len(indices), np.int32), indices, ends), shape=(size, len(columns)))
    shared = (matrix @ matrix.T).tocoo()
    sizes = np.diff(matrix.indptr)
    left, right = shared.coords
    jaccard = shared.data / (sizes[left] + sizes[right] - shared.data)
    figures = []
    for threshold in THRESHOLDS:
        near = (jaccard >= threshold) & (left < right)
        true = set(zip(left[near].tolist(), right[near].tolist(), strict=True))
        section = Deduplicate(threshold=threshold)
        found = set(similar_pairs(sketch(sample, section), sample, section).select("left", "right").iter_rows())
        note = f"{len(true):,} pairs of {size:,} P3 records, brute force over all pairs"
        label = f"{threshold:.1f}".replace(".", "")
        figures += [
            Figure(f"deduplication.recall_at_{label}", len(true & found) / len(true), "share", note=note),
            Figure(f"deduplication.precision_at_{label}", len(true & found) / len(found), "share", note=note),
        ]
    return figures


def _seeded(records: pl.DataFrame, size: int) -> list[Figure]:
    signatures = sign(records, SECTION)
    unique = find_clusters(records.lazy(), signatures.lazy(), SECTION).table.filter(pl.len().over("family") == 1)
    originals = records.join(unique, on=["record_id", "batch"], how="semi").sort("record_id").head(size)
    corpus, origin = seeded_duplicates(originals)
    table = find_clusters(corpus.lazy(), sign(corpus, SECTION).lazy(), SECTION).table
    joined = table.join(origin, on="record_id")
    figures = []
    for kind in origin["kind_of_change"].unique().sort():
        if kind == "original":
            continue
        pairs = joined.filter(kind_of_change=kind).join(
            joined.filter(kind_of_change="original"), on="origin", suffix="_original"
        )
        together = (pairs["cluster"] == pairs["cluster_original"]).mean()
        note = f"{pairs.height:,} copies of distinct P3 records"
        figures.append(Figure(f"deduplication.seeded_recall_{kind}", float(together), "share", note=note))
    merged = joined.filter(pl.len().over("cluster") > 1)
    right = merged.filter(pl.col("origin").n_unique().over("cluster") == 1).height
    figures.append(
        Figure(
            "deduplication.seeded_precision", right / merged.height, "share", note=f"{merged.height:,} merged records"
        )
    )
    return figures


def _growth(records: pl.DataFrame) -> list[Figure]:
    """What one more per cent costs, beside all anew."""
    grown = records.with_columns(
        batch=pl.when(pl.int_range(pl.len()) % 100 == 0).then(pl.lit("p3/new")).otherwise("batch")
    )
    old, new = grown.filter(pl.col("batch") != "p3/new"), grown.filter(batch="p3/new")
    signed = sign(old, SECTION)
    before = find_clusters(old.lazy(), signed.lazy(), SECTION)
    start = time.perf_counter()
    everything = pl.concat([sign(new, SECTION), signed])
    after = find_clusters(grown.lazy(), everything.lazy(), SECTION, before.pairs)
    growth = time.perf_counter() - start
    start = time.perf_counter()
    anew = find_clusters(grown.lazy(), sign(grown, SECTION).lazy(), SECTION)
    whole = time.perf_counter() - start
    note = f"{new.height:,} of {grown.height:,} P3 records are new"
    return [
        Figure("deduplication.growth_saves", whole / growth, "times", 1 / growth, 1 / whole, "all anew", note),
        Figure("deduplication.growth_differs", int(not after.table.equals(anew.table)), "tables", note=note),
        Figure("deduplication.pairs_measured_again", after.fresh / len(anew.pairs), "share", note=note),
    ]
