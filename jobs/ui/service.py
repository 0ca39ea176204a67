"""The processes of the UI, started together and ended together: python -m fineline.jobs.ui.service SERVING.

The definitions are loaded once, by a server that the webserver and the daemon ask; "Reload definitions" renews it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import yaml

from fineline.jobs.ui.serving import LOCATION, Serving, prepare_token
from fineline.resources.core.compute.lifetime import outlived_by_none
from fineline.resources.core.orchestrator.service_internals import DagsterGrpcClient, DagsterUserCodeUnreachableError
from fineline.resources.core.presentation.output import say

DAGSTER = [sys.executable, "-m", "dagster"]
LOAD_SECONDS, STOP_SECONDS = 180, 20


def open_ui(serving: Serving) -> NoReturn:
    """Become the process that runs the service. Raises StorageError where the token of the environment is too short."""
    # The one message that shows a secret.
    print(f"The UI opens on {prepare_token(serving)}", flush=True)
    os.execv(sys.executable, outlived_by_none(serving.command("service")))


def run(serving: Serving) -> int:
    """Run the service until one of its processes ends, or a signal comes. Returns the exit code."""
    with TemporaryDirectory(prefix="fineline-ui-") as folder:
        served = replace(serving, code_socket=str(Path(folder) / "code"))
        started: dict[str, subprocess.Popen[bytes]] = {}
        try:
            started["server of the definitions"] = subprocess.Popen(_code_server(served.code_socket))
            _wait_for(served.code_socket, started["server of the definitions"])
            started["webserver"] = subprocess.Popen(served.command("server"))
            if not serving.read_only:
                started["daemon"] = subprocess.Popen(_daemon(Path(folder), served.code_socket))
            return _watch(started)
        except KeyboardInterrupt:
            return 0
        finally:
            _stop(started)


def _code_server(socket: str) -> list[str]:
    return [*DAGSTER, "code-server", "start", "-m", LOCATION, "--socket", socket, "--location-name", LOCATION]


def _daemon(folder: Path, socket: str) -> list[str]:
    workspace = folder / "workspace.yaml"
    workspace.write_text(
        yaml.safe_dump({"load_from": [{"grpc_server": {"socket": socket, "location_name": LOCATION}}]})
    )
    return [sys.executable, "-m", "dagster._daemon", "run", "--workspace", str(workspace)]


def _wait_for(socket: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until the definitions are loaded, or failed to: the UI shows their error."""
    end = time.monotonic() + LOAD_SECONDS
    while server.poll() is None and time.monotonic() < end:
        try:
            DagsterGrpcClient(socket=socket).list_repositories()
        except DagsterUserCodeUnreachableError:
            time.sleep(0.2)
        else:
            return


def _watch(started: dict[str, subprocess.Popen[bytes]]) -> int:
    while True:
        for name, process in started.items():
            if process.poll() is not None:
                say(f"fineline: the {name} has ended (exit code {process.returncode}), so the UI ends", sys.stderr)
                return 1
        time.sleep(0.5)


def _stop(started: dict[str, subprocess.Popen[bytes]]) -> None:
    """End what is left, the daemon first, as it asks the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for process in reversed(started.values()):
        process.terminate()
    end = time.monotonic() + STOP_SECONDS
    for process in started.values():
        try:
            process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    raise SystemExit(run(Serving.from_arguments()))
