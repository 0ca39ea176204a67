"""A process of its own for one heavy task: ``python -m fineline.resources.models.worker [task.json]``.

Without a task file, Dagster Pipes started it and hands it the task in its extras. The worker leaves ``result.json`` in
the task's output folder; for an error that a user can mend it leaves ``error.json`` and exits with code 3.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from dagster_pipes import open_dagster_pipes

from fineline.resources.core.compute.lifetime import die_with_parent
from fineline.resources.core.presentation.output import quieten_output
from fineline.resources.core.storage.faults import is_no_room
from fineline.resources.core.storage.files import no_room, write_atomically
from fineline.resources.models.worker.protocol import USER_ERROR, Log, ModelError, Result, Task, clear, from_plain


def set_environment(task: Task[Any]) -> None:
    """Set the variables that torch, transformers and TRL read on import: offline, quiet, without telemetry."""
    os.environ["HF_HUB_OFFLINE"] = "0" if task.needs_network else "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    os.environ["TQDM_DISABLE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if task.parallel_tokenizer else "false"
    # A waiting thread must not keep a core busy that another process needs: on a machine shared by two runs this
    # halves the CPU time of training
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    if task.threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(task.threads)
    warnings.simplefilter("ignore")
    # TRL warns about odd chat templates by quoting the row: record text must not reach a log
    for name in ("trl", "peft", "bitsandbytes", "datasets", "accelerate", "kernels"):
        logging.getLogger(name).setLevel(logging.ERROR)


def run(task: Task[Any], log: Log) -> int:
    """Do the task and leave its result in the output folder. Returns the exit code: 0, or 3 if refused."""
    output = Path(task.output)
    clear(output)
    set_environment(task)
    started = time.perf_counter()
    do: Callable[[Task[Any], Log], Result] = resolve_name(task.runs)
    imported = time.perf_counter()
    try:
        result = do(task, log)
    except ModelError as error:
        write_atomically(output / "error.json", json.dumps({"message": error.message, "fix": error.fix}).encode())
        log(str(error))
        return USER_ERROR
    except Exception as error:
        if is_no_room(error):
            log(str(no_room(output, None)))
        raise
    seconds = time.perf_counter() - imported
    log(f"{type(task).__name__}: {seconds:.1f} s, and {imported - started:.1f} s to import its libraries")
    result = result.model_copy(update={"seconds": seconds})
    write_atomically(output / "result.json", result.model_dump_json(indent=2).encode())
    return 0


def main(arguments: list[str]) -> int:
    """Run the task of a task file, or of Dagster Pipes when there is no argument. Returns the exit code."""
    die_with_parent()
    quieten_output()
    if arguments:
        logging.basicConfig(level=logging.WARNING)
        task = from_plain(json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
        return run(task, lambda line: print(line, flush=True))
    with open_dagster_pipes() as pipes:
        return run(from_plain(pipes.extras), pipes.log.info)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # an orderly end of an interpreter with torch takes over a second, and nothing is left to save
    os._exit(code)
