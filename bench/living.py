"""What a corpus costs that lives: the first run of the data half, one percent of new records, and no change at all.

Each is ``fineline run`` in a process of its own, as a user has it, with its start. Nothing is trained; the data
sets' tokens are counted with a tiny tokenizer. Real rows, and where they run out, real sentences put together anew.
"""

import csv
import gzip
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from figures import Figure
from rows import data

ROOT = Path(__file__).resolve().parent.parent
FULL, SHORT = 100_000, 1_000
# Files of each source; its last one, which comes later, is a hundredth of its records.
FILES = 8
NEW = 0.01
PER_BATCH = ["raw_corpus", "scrubbed_corpus", "minhash_signatures"]
MERGED = [
    *("duplicate_clusters", "record_quality", "label_issues", "curated_corpus", "splits", "record_ledger"),
    "sft_dataset",
]
RECIPE = """\
name: living
maximum_quarantine: 0.05
sources:
  - name: questions
    kind: files
    path: questions
    licence: Apache-2.0
    columns: {prompt: prompt, completion: completion}
  - {name: tweets, kind: files, path: tweets, licence: MIT, columns: {text: text, label: label}}
  - {name: intents, kind: files, path: intents, licence: CC-BY-4.0, columns: {text: text, label: label}}
  - {name: dialogues, kind: files, path: dialogues, licence: CC-BY-SA-4.0, columns: {messages: messages}}
labels: {features: FEATURES}
datasets:
  sft: {maximum_tokens: 2048, train_rows: 2000, validation_rows: 200, test_rows: 200}
base_model: {kind: folder, path: model}
"""

Row = dict[str, Any]


@dataclass(frozen=True)
class Ran:
    """One ``fineline run``: seconds by the clock and of the processors, and what it made, by asset."""

    wall: float
    cpu: float
    made: Counter[str]


def measure(*, short: bool) -> list[Figure]:
    """The cost of growth and of nothing on 100,000 records; in the short form on 1,000, without embeddings."""
    total = SHORT if short else FULL
    with tempfile.TemporaryDirectory() as folder:
        living = Living(Path(folder), features="words" if short else "embeddings")
        living.write(corpus(total))
        full = living.run()
        living.arrive()
        grown = living.run()
        unchanged = living.run()
    note = f"{total:,} records, then {NEW:.0%} more of each of {len(living.later)} sources"
    batches = sum(grown.made[asset] for asset in PER_BATCH)
    merged = sum(grown.made[asset] for asset in MERGED)
    others = sum(grown.made.values()) - batches - merged
    return [
        Figure(
            "living.one_percent_share",
            grown.wall / full.wall,
            "share of wall time",
            grown.wall,
            full.wall,
            "the first run, seconds",
            note,
        ),
        Figure(
            "living.one_percent_share_cpu",
            grown.cpu / full.cpu,
            "share of processor time",
            grown.cpu,
            full.cpu,
            "the first run, seconds",
            note,
        ),
        Figure(
            "living.unchanged_seconds", unchanged.wall, "s", unchanged.wall, full.wall, "the first run, seconds", note
        ),
        Figure("living.unchanged_made", sum(unchanged.made.values()), "assets", note=note),
        Figure("living.batches_made", batches, "partitions", note=f"{len(PER_BATCH)} assets, {len(living.later)} new"),
        Figure("living.merged_made", merged, "assets", note=f"of {len(MERGED)} merged ones"),
        Figure("living.others_made", others, "assets", note="such as the base model"),
    ]


class Living:
    """A recipe in a folder, whose sources get a file each after the first run."""

    def __init__(self, folder: Path, features: str) -> None:
        self.folder = folder
        self.later: dict[Path, list[Row]] = {}
        sys.path.insert(0, str(ROOT / "tests"))
        from support.tiny_model import make_tiny_model

        make_tiny_model(folder / "model")
        (folder / "living.yaml").write_text(RECIPE.replace("FEATURES", features), encoding="utf-8")

    def write(self, sources: dict[str, list[Row]]) -> None:
        """The files of the first run; those that come later are kept back."""
        for name, rows in sources.items():
            place = self.folder / name
            place.mkdir()
            new = max(1, round(NEW * len(rows)))
            self.later[place / f"part-{FILES}.jsonl"] = rows[-new:]
            for number in range(FILES):
                _write(place / f"part-{number}.jsonl", rows[:-new][number::FILES])

    def arrive(self) -> None:
        """The files that come later are there."""
        for path, rows in self.later.items():
            _write(path, rows)

    def run(self) -> Ran:
        """What it costs to bring everything up to date.

        Raises:
            RuntimeError: the run failed; with all that it said.
        """
        environment = {**os.environ, "FINELINE_HOME": str(self.folder / "home"), "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "fineline.jobs.cli.main", "run", "--recipe", str(self.folder / "living.yaml")]
        before, started = _cpu(), time.perf_counter()
        ran = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, check=False)
        wall, cpu = time.perf_counter() - started, _cpu() - before
        if ran.returncode:
            raise RuntimeError(f"fineline run failed:\n{ran.stdout[-4000:]}\n{ran.stderr[-4000:]}")
        made = (line.split()[1] for line in ran.stdout.splitlines() if line.startswith("  make  "))
        return Ran(wall, cpu, Counter(label.rstrip(":").partition("[")[0] for label in made))


def corpus(total: int) -> dict[str, list[Row]]:
    """Rows by source, ``total`` in all, in an order that a seed decides."""
    rng = random.Random(0)
    made = {"questions": _questions(), "tweets": _tweets(), "intents": _intents(), "dialogues": _dialogues()}
    sources = {name: list(rows) for name, rows in made.items()}
    real = sum(map(len, sources.values()))
    if total > real:
        sources["questions"] += _recombined(sources["questions"], total - real, rng)
    share = total / sum(map(len, sources.values()))
    return {name: rng.sample(rows, round(share * len(rows))) for name, rows in sources.items()}


def _questions() -> Iterator[Row]:
    for row in _lines("instruction/p3_templates_a.jsonl.gz"):
        answer = row["completion"].removesuffix("<|endoftext|>").strip()
        # One in forty answers nothing, and a small file could have too many of them for its contract.
        if answer:
            yield {"prompt": row["prompt"], "completion": answer}
    for row in _lines("instruction/gsm8k_train.jsonl.gz"):
        yield {"prompt": row["question"], "completion": row["answer"]}
    with gzip.open(data() / "instruction" / "gpteacher_codegen.json.gz", "rt", encoding="utf-8") as file:
        for row in json.load(file):
            asked = "\n".join(filter(None, (row["instruction"], row["input"])))
            yield {"prompt": asked, "completion": row["response"]}


def _tweets() -> Iterator[Row]:
    with gzip.open(data() / "safety" / "davidson_tweets.csv.gz", "rt", encoding="utf-8", newline="") as file:
        yield from ({"text": row["tweet"], "label": row["class"]} for row in csv.DictReader(file))


def _intents() -> Iterator[Row]:
    with gzip.open(data() / "labels" / "banking77_train.csv.gz", "rt", encoding="utf-8", newline="") as file:
        yield from ({"text": row["text"], "label": row["category"]} for row in csv.DictReader(file))


def _dialogues() -> Iterator[Row]:
    for row in _lines("tools/sgd_dev_toolcalls.jsonl.gz"):
        turns = [{"role": turn["role"], "content": turn["content"]} for turn in row["turns"]]
        while turns and turns[-1]["role"] != "assistant":
            turns.pop()
        yield {"messages": turns}


def _recombined(rows: Sequence[Row], number: int, rng: random.Random) -> Iterator[Row]:
    """Further questions and answers, each of eight sentences of real ones: too few in a row for near-duplicates."""
    texts = chain.from_iterable((row["prompt"], row["completion"]) for row in rows)
    sentences = [line.strip() for text in texts for line in text.replace(". ", ".\n").split("\n")]
    distinct = sorted({sentence for sentence in sentences if 40 <= len(sentence) <= 250})
    for _ in range(number):
        chosen = rng.sample(distinct, 8)
        yield {"prompt": " ".join(chosen[:5]), "completion": " ".join(chosen[5:])}


def _lines(name: str) -> Iterator[Row]:
    with gzip.open(data() / name, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _write(path: Path, rows: Sequence[Row]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _cpu() -> float:
    """Seconds that processes which ended, and those that they started, were on a processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
