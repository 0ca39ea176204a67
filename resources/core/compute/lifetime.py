"""Commands that end with the process that started them, and everything that they have started with them.

python -m fineline.resources.core.compute.lifetime COMMAND…
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

import psutil

# Linux: the signal that a process gets when its parent ends, and whether it becomes the parent of orphans below it.
_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
# What the process below gets when the one that was started ends. SIGHUP is no choice: nohup has both ignore it.
_ORPHANED = signal.SIGUSR1
_MODULE, _KEPT = "fineline.resources.core.compute.lifetime", "--kept"


def die_with_parent(how: signal.Signals = signal.SIGKILL) -> None:
    """Ask Linux to send this process a signal when its parent ends; on other systems, do nothing."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_SET_PDEATHSIG, how)
    if os.getppid() != parent:  # the parent ended before the request was in place
        os.kill(os.getpid(), how)


def outlived_by_none(command: Sequence[str]) -> list[str]:
    """The command line of a process that runs a command, and whose end, also by kill -9, ends all that it started."""
    return [sys.executable, "-m", _MODULE, *command]


def _keep(command: Sequence[str], how: signal.Signals) -> int:
    """Run a command to its end, then kill what it has left. Returns its exit code."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1)
    child = subprocess.Popen(command, preexec_fn=lambda: die_with_parent(how))  # there is one thread
    # The terminal sends Ctrl-C to the command too, which ends by it.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child.pid, signal.SIGTERM))
    signal.signal(_ORPHANED, lambda *_: _kill_descendants())
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: _kill_descendants())
    ended, status = 0, 0
    while ended != child.pid:
        ended, status = os.wait()
    child.returncode = os.waitstatus_to_exitcode(status)
    while _kill_descendants():
        time.sleep(0.05)
    return child.returncode


def _kill_descendants() -> int:
    """kill -9 of everything below this process; returns how many there were."""
    living = [each for each in psutil.Process().children(recursive=True) if each.status() != psutil.STATUS_ZOMBIE]
    for each in living:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    return len(living)


if __name__ == "__main__":
    # Two processes watch over each other: the one that was started, and one that no signal to its group's leader ends.
    line = sys.argv[1:]
    if line[0] == _KEPT:
        raise SystemExit(_keep(line[1:], signal.SIGKILL))
    raise SystemExit(_keep(outlived_by_none([_KEPT, *line]), _ORPHANED))
