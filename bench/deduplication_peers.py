"""Deduplicates texts with rensa or text-dedup and prints the seconds; runs in the environment of bench/peers.txt.

    python deduplication_peers.py rensa|text-dedup|versions PARQUET

Both do as their own documentation does, with five-word shingles, 128 permutations and a threshold of 0.7, on all
cores that they use. Neither verifies pairs.
"""

import json
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import pyarrow.parquet as pq


def rensa(texts: list[str]) -> float:
    """R-MinHash over full sets of shingles in one call, then its own LSH over the whole matrix."""
    from rensa import RMinHash, RMinHashLSH

    start = time.perf_counter()
    sets = []
    for text in texts:
        words = text.lower().split()
        sets.append([" ".join(words[i : i + 5]) for i in range(max(1, len(words) - 4))])
    matrix = RMinHash.digest_matrix_from_token_sets(sets, 128, 42)
    # As many bands as gives rensa about our recall at the threshold.
    RMinHashLSH(0.7, 128, 16).query_duplicate_flags_matrix_one_shot(matrix)
    return time.perf_counter() - start


def text_dedup(texts: list[str]) -> float:
    """Its command, from a saved data set to a saved data set; the seconds of MinHashing, clustering and filtering."""
    import datasets
    from text_dedup import minhash
    from text_dedup.utils import IOArgs, MetaArgs, MinHashArgs

    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in"
        datasets.Dataset.from_dict({"text": texts}).save_to_disk(str(source))
        start = time.perf_counter()
        minhash.main.callback(
            io_args=IOArgs(path=str(source), output=str(Path(folder) / "out"), local=True, num_proc=2),
            meta_args=MetaArgs(column="text"),
            minhash_args=MinHashArgs(num_perm=128, threshold=0.7, ngram=5, min_length=1, hash_func="xxh3"),
        )
        return time.perf_counter() - start


if __name__ == "__main__":
    program, path = sys.argv[1:]
    if program == "versions":
        print(json.dumps({name: version(name) for name in ("rensa", "text-dedup")}))
    else:
        texts = pq.read_table(path)["text"].to_pylist()
        print({"rensa": rensa, "text-dedup": text_dedup}[program](texts))
