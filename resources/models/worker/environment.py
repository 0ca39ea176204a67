"""The environment of a worker process, set before anything heavy is imported."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends; on other systems, do nothing.

    A worker whose run was killed would otherwise continue to train beside the retry.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent ended before the request was in place
        os.kill(os.getpid(), signal.SIGKILL)


def set_up(*, network: bool, threads: int | None, parallel_tokenizer: bool) -> None:
    """Set the variables that torch, transformers and TRL read on import: offline, quiet, without telemetry."""
    os.environ["HF_HUB_OFFLINE"] = "0" if network else "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    os.environ["TQDM_DISABLE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if parallel_tokenizer else "false"
    # A waiting thread must not keep a core busy that another process needs: on a machine shared by two runs this
    # halves the CPU time of training
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    # TRL warns about odd chat templates by quoting the row: record text must not reach a log
    for name in ("trl", "peft", "bitsandbytes", "datasets", "accelerate", "kernels"):
        logging.getLogger(name).setLevel(logging.ERROR)
