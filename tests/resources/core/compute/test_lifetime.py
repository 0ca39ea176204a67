import signal
import subprocess
import sys
import time

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


def below(process, number):
    until = time.monotonic() + 30
    while len(found := process.children(recursive=True)) < number or "sleep" not in found[-1].name():
        assert time.monotonic() < until, found
        time.sleep(0.05)
    return found


@pytest.fixture
def front():
    with subprocess.Popen(outlived_by_none([sys.executable, "-c", COMMAND])) as process:
        yield psutil.Process(process.pid)
        process.kill()


@pytest.mark.outcome("killed", "`fineline ui` or one of its processes is killed", "all of it ends")
@pytest.mark.parametrize("victim", ["front", "keeper", "command"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_end_of_any_of_them_ends_all(front, victim, how):
    below(front, 4)
    (keeper,) = front.children()
    (command,) = (each for each in keeper.children() if each.name() != "sleep")
    everything = [front, *front.children(recursive=True)]
    {"front": front, "keeper": keeper, "command": command}[victim].send_signal(how)
    _, alive = psutil.wait_procs(everything, timeout=20)
    assert alive == []


def test_the_exit_code_is_the_commands(tmp_path):
    assert subprocess.run(outlived_by_none([sys.executable, "-c", "raise SystemExit(7)"]), check=False).returncode == 7
