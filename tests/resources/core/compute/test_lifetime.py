import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest

from fineline.resources.core.compute.lifetime import outlived_by_none

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a process learns of its parent's end on Linux alone")

# Starts a process in a session of its own and leaves it to nobody, and another one that it waits for.
COMMAND = """
import subprocess, sys
left = "import subprocess; subprocess.Popen(['sleep', '600'], start_new_session=True)"
subprocess.run([sys.executable, "-c", left], check=True)
subprocess.run(["sleep", "600"])
"""


def below(process):
    """The processes below one that was started: the keeper, the command and what each of its two lines leaves."""
    until = time.monotonic() + 30
    while True:
        with suppress(psutil.NoSuchProcess):
            found = process.children(recursive=True)
            if [each.name() for each in found].count("sleep") == 2:
                return found
        assert time.monotonic() < until
        time.sleep(0.05)


def started(before=None):
    line = outlived_by_none([sys.executable, "-c", COMMAND])
    return subprocess.Popen(line, start_new_session=True, preexec_fn=before)


@pytest.fixture
def front():
    with started() as process:
        yield psutil.Process(process.pid)
        process.kill()


@pytest.fixture
def front_under_nohup():
    with started(lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as process:
        yield psutil.Process(process.pid)
        process.kill()


@pytest.mark.outcome("killed", "`fineline ui` or one of its processes is killed", "all of it ends")
@pytest.mark.parametrize("victim", ["front", "keeper", "command"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_end_of_any_of_them_ends_all(front, victim, how):
    below(front)
    (keeper,) = front.children()
    (command,) = (each for each in keeper.children() if each.name() != "sleep")
    everything = [front, *front.children(recursive=True)]
    {"front": front, "keeper": keeper, "command": command}[victim].send_signal(how)
    _, alive = psutil.wait_procs(everything, timeout=20)
    assert alive == []


def test_the_end_of_the_terminal_ends_all(front):
    everything = [front, *below(front)]
    os.killpg(front.pid, signal.SIGHUP)
    _, alive = psutil.wait_procs(everything, timeout=20)
    assert alive == []


def test_under_nohup_the_end_of_the_terminal_ends_nothing_and_the_end_of_the_first_ends_all(front_under_nohup):
    everything = [front_under_nohup, *below(front_under_nohup)]
    os.killpg(front_under_nohup.pid, signal.SIGHUP)
    _, alive = psutil.wait_procs(everything, timeout=1)
    assert set(alive) == set(everything)
    front_under_nohup.kill()
    _, alive = psutil.wait_procs(everything, timeout=20)
    assert alive == []


def test_the_exit_code_is_the_commands(tmp_path):
    assert subprocess.run(outlived_by_none([sys.executable, "-c", "raise SystemExit(7)"]), check=False).returncode == 7
