"""Time to trace a record by its id, and records by a text, in a storage root of a million records."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from figures import Figure
from filled_storage import fill

from fineline.data_contracts import catalog
from fineline.resources.core.storage.inventory import Inventory
from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.accounting.trace import trace, trace_text

RECORDS, SHORT = 1_000_000, 100_000
RUNS = 3
RECIPE = "name: bench\nsources: [{name: p3, kind: files, path: p3.jsonl, licence: Apache-2.0}]\n"


def measure(*, short: bool) -> list[Figure]:
    """Trace one record in the middle of the corpus, and twenty characters of its prompt in capitals."""
    records = SHORT if short else RECORDS
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(Path(folder) / "bench")
        fill(storage, records)
        recipe = Path(folder) / "recipe.yaml"
        recipe.write_text(RECIPE, encoding="utf-8")
        record_id, text = _wanted(storage)
        mentioned = trace_text(storage, text).records
        note = f"{records:,} records"
        said = f"{note}, {mentioned} with the text"
        return [
            _best("tracing.id_seconds", lambda: trace(storage, record_id), note),
            _best("tracing.id_command_seconds", _command(recipe, storage, record_id), note),
            _best("tracing.text_seconds", lambda: trace_text(storage, text), said),
            _best("tracing.text_command_seconds", _command(recipe, storage, "--text", text), said),
        ]


def _wanted(storage: Storage) -> tuple[str, str]:
    tables = [*Inventory(storage).manifests(catalog.RAW_CORPUS.name)]
    rows = storage.scan(tables[len(tables) // 2])
    record_id, prompt = rows.select("record_id", "prompt").slice(777, 1).collect().row(0)
    return record_id, prompt[0]["content"][40:60].upper()


def _command(recipe: Path, storage: Storage, *arguments: str) -> Callable[[], object]:
    line = [sys.executable, "-m", "fineline.jobs.cli.main", "trace", "--recipe", str(recipe), *arguments]
    environment = {**os.environ, "FINELINE_HOME": str(storage.local.folder.parent)}
    return lambda: subprocess.run(line, env=environment, check=True, capture_output=True)


def _best(name: str, run: Callable[[], object], note: str) -> Figure:
    """The fastest of some runs, the one least disturbed by other work on the machine."""
    runs = []
    for _ in range(RUNS):
        started, busy = time.perf_counter(), _processor_time()
        run()
        runs.append((time.perf_counter() - started, _processor_time() - busy))
    seconds, processor = min(runs)
    return Figure(name, seconds, "s", note=f"{note}; {processor:.2f} s of processor time")


def _processor_time() -> float:
    """Processor seconds of this process and of the commands that it ran."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
