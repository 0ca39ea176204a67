"""Checks of what a machine must have before anything is installed; plain Python runs this file.

python3 jobs/cli/preflight.py
"""

from __future__ import annotations

import errno
import importlib.util
import os
import shutil
import socket
import sys
from pathlib import Path

PYTHON = (3, 11)
INSTALL_GIB = 5.0
STORAGE_GIB = 3.0
MEMORY_GIB = 4.0


def check_python(version: tuple[int, int] = (sys.version_info[0], sys.version_info[1])) -> list[str]:
    """Problems of this Python: too old, or unable to create virtual environments."""
    problems = []
    if version < PYTHON:
        problems.append(
            f"Python {version[0]}.{version[1]} is too old: {PYTHON[0]}.{PYTHON[1]} or newer is needed. "
            "Install one and name it: make run PYTHON=python3.12"
        )
    if importlib.util.find_spec("ensurepip") is None:
        problems.append("Python has no ensurepip, so it cannot make .venv. On Debian: apt-get install python3-venv")
    return problems


def check_disk(folder: Path, needed_gib: float, what: str) -> list[str]:
    """The problem of too little free space where ``folder`` is or will be, if there is one."""
    existing = next(parent for parent in [folder, *folder.absolute().parents] if parent.exists())
    free = shutil.disk_usage(existing).free / 2**30
    if free >= needed_gib:
        return []
    return [f"{what} needs {needed_gib:.1f} GiB of disk in {existing}, {free:.1f} are free. Make room there"]


def check_memory(needed_gib: float = MEMORY_GIB, available_gib: float | None = None) -> list[str]:
    """The problem of too little available memory, if there is one."""
    if available_gib is None:
        available_gib = _available_gib()
    if available_gib is None or available_gib >= needed_gib:
        return []
    return [
        f"about {needed_gib:.1f} GiB of memory are needed, {available_gib:.1f} are available. Close other programs, "
        "or lower batch_size and maximum_tokens of training.stages in the recipe"
    ]


def check_writable(folder: Path) -> list[str]:
    """The problem of a folder that cannot be written, or cannot be created, if there is one."""
    existing = next(parent for parent in [folder, *folder.absolute().parents] if parent.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return []
    return [f"no write permission in {existing}. Give another folder: FINELINE_HOME=/path/you/may/write"]


def check_port(port: int, host: str = "127.0.0.1") -> list[str]:
    """The problem of an address of the UI that is in use, or none of this machine, if there is one."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return [
                f"the UI cannot listen on {host}, port {port}: {error.strerror or error}. Give another --host or --port"
            ]
        return [f"port {port} is in use, perhaps by a UI that is open already. Choose another: make ui PORT={port + 1}"]
    return []


def _available_gib() -> float | None:
    path = Path("/proc/meminfo")
    if not path.exists():
        return None
    lines = dict(line.split(":", 1) for line in path.read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) / 2**20


def stop_with(problems: list[str]) -> None:
    """Exit with the problems, one a line, if there are any."""
    if problems:
        print("Fineline cannot start yet:", *[f"  - {problem}" for problem in problems], sep="\n", file=sys.stderr)
        raise SystemExit(2)


if __name__ == "__main__":
    environment = Path(".venv")
    room = [] if environment.exists() else check_disk(environment, INSTALL_GIB, "the installation")
    stop_with([*check_python(), *room, *check_writable(environment), *check_memory()])
