"""A process of its own for one heavy task: ``python -m fineline.resources.models.worker [spec.json]``.

Without a spec file it was started by Dagster Pipes and finds its spec in ``extras["spec"]``. The answer is
``result.json`` in the spec's output folder; an error that a user can mend is ``error.json`` and exit code 3.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from dagster_pipes import open_dagster_pipes

from fineline.resources.core.storage.faults import is_no_room
from fineline.resources.core.storage.files import no_room, write_atomically
from fineline.resources.models.worker import environment
from fineline.resources.models.worker.client import USER_ERROR, clear
from fineline.resources.models.worker.errors import ModelError
from fineline.resources.models.worker.tasks import SPEC, AnySpec, Result

MODULES = {
    "prepare_base": "base.prepare",
    "count_tokens": "base.token_counts",
    "train_pretraining": "training.loop",
    "train_sft": "training.loop",
    "train_dpo": "training.loop",
    "generate": "base.generation",
    "evaluate": "evaluation.measure",
    "merge_check": "release.merge_check",
}


def run(spec: AnySpec, log: Callable[[str], None]) -> int:
    """Do the task and leave its answer in the output folder. Returns the exit code: 0, or 3 if refused."""
    output = Path(spec.output)
    clear(output)
    hub = spec.task == "prepare_base" and spec.source.kind == "hub"
    environment.set_up(hub=hub, threads=spec.threads, parallel_tokenizer=spec.task == "count_tokens")
    warnings.simplefilter("ignore")
    started = time.perf_counter()
    task: Callable[[AnySpec, Callable[[str], None]], Result] = importlib.import_module(
        f"fineline.resources.models.{MODULES[spec.task]}"
    ).run
    imported = time.perf_counter()
    try:
        result = task(spec, log)
    except ModelError as error:
        write_atomically(output / "error.json", json.dumps({"message": error.message, "fix": error.fix}).encode())
        log(str(error))
        return USER_ERROR
    except Exception as error:
        if is_no_room(error):
            log(str(no_room(output, None)))
        raise
    seconds = time.perf_counter() - imported
    log(f"{spec.task}: {seconds:.1f} s, and {imported - started:.1f} s to import its libraries")
    result = result.model_copy(update={"seconds": seconds})
    write_atomically(output / "result.json", result.model_dump_json(indent=2).encode())
    return 0


def main(arguments: list[str]) -> int:
    """Run the task of a spec file, or of Dagster Pipes when there is no argument. Returns the exit code."""
    environment.die_with_parent()
    if arguments:
        logging.basicConfig(level=logging.WARNING)
        spec = SPEC.validate_json(Path(arguments[0]).read_text(encoding="utf-8"))
        return run(spec, lambda line: print(line, flush=True))
    with open_dagster_pipes() as pipes:
        return run(SPEC.validate_python(pipes.get_extra("spec")), pipes.log.info)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # an orderly end of an interpreter with torch takes over a second, and nothing is left to save
    os._exit(code)
