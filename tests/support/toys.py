"""A copy of the code to which a toy is added, by the edits that CONTRIBUTING.md names."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("assets", "data_contracts", "jobs", "resources", "schedules")


def copy_code(folder: Path) -> Path:
    """Copy the code below a folder for PYTHONPATH; returns the package's folder."""
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / "fineline" / part, ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "fineline"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, path.name
    path.write_text(text.replace(old, new, 1))


def run(folder: Path, *arguments: str) -> str:
    """Run Python on the copy; returns what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", cwd=folder)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
