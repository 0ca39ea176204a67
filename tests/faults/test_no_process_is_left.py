"""What a test starts ends with the test run, however that ends."""

import os
import signal
import subprocess
import sys
import time
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


TEST = """
import os, subprocess, time
from pathlib import Path

def test_that_starts_a_service():
    service = subprocess.Popen(["sleep", "600"], start_new_session=True, stdout=-3, stderr=-3)
    Path("started.part").write_text(f"{os.getpid()} {service.pid}")
    os.rename("started.part", "started")
    time.sleep(600)
"""


@pytest.mark.rare
@pytest.mark.parametrize("victim", ["pytest", "worker"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupted_pytest_leaves_nothing(tmp_path, how, workers, victim):
    if victim == "worker" and not workers:
        pytest.skip("there is none")
    conftest = "from support import watcher\n\n\ndef pytest_configure():\n    watcher.start()\n"
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_service.py").write_text(TEST)
    tests = str(Path(watcher.__file__).parent.parent)
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", str(workers), "--max-worker-restart=0"],
        env={**os.environ, "PYTHONPATH": f"{tests}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    while not (tmp_path / "started").exists():
        assert run.poll() is None
        time.sleep(0.05)
    by, service = (psutil.Process(int(pid)) for pid in (tmp_path / "started").read_text().split())
    started = [*psutil.Process(run.pid).children(recursive=True), by, service]
    (run if victim == "pytest" else by).send_signal(how)
    _, alive = psutil.wait_procs(started, timeout=20)
    assert alive == []
    run.wait(20)
