"""What a test starts ends with the test run, however that ends."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support import watcher

PROGRAM = """
import subprocess, sys
from support import watcher
watcher.start()
for _ in range(2):
    # As a service does: in a session of its own, started by a process that is gone.
    sleep = "subprocess.Popen(['sleep', '600'], start_new_session=True, stdout=-3, stderr=-3)"
    program = f"import subprocess; print({sleep}.pid)"
    print(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout, end="")
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.outcome("killed", "a test run is killed", "whatever it has started ends with it")
def test_what_a_killed_test_run_has_started_ends_with_it():
    tests = str(Path(watcher.__file__).parent.parent)
    run = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": f"{tests}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with run:
        started = [psutil.Process(int(run.stdout.readline())) for _ in range(2)]
        assert run.stdout.readline() == "ready\n"
        assert all(process.is_running() for process in started)
        run.kill()
    _, alive = psutil.wait_procs(started, timeout=30)
    assert alive == []
