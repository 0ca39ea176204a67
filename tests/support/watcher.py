"""Ends every process that a test run has started, also those of a service in a session of their own, when it is over.

A process inherits the mark of its run in its environment, so that it is found after the one that started it is gone.
"""

import os
import subprocess
import sys
import time
from contextlib import suppress

import psutil

MARK = "FINELINE_TEST_RUN"


def start():
    """Have a process of its own watch over this one, which may be killed at any moment."""
    # Without the mark of the run that this one is a part of, or the watcher would end with it.
    environment = {name: value for name, value in os.environ.items() if name != MARK}
    os.environ[MARK] = f"{os.getpid()}-{time.time_ns()}"
    reads, _writes = os.pipe()  # The end that writes closes with this process, however it ends.
    watcher = [sys.executable, __file__, os.environ[MARK]]
    subprocess.Popen(watcher, stdin=reads, env=environment, start_new_session=True)
    os.close(reads)


def end_all(mark):
    """kill -9 of all processes with a mark; returns how many there were."""
    ended = 0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                process.kill()
                ended += 1
    return ended


if __name__ == "__main__":
    sys.stdin.buffer.read()
    # A process that was being started meanwhile is found when looked for again.
    while end_all(sys.argv[1]):
        time.sleep(0.2)
