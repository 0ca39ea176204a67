"""Which checkpoint a training run may go on from: a whole one, of the same data, weights and settings."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from fineline.resources.models.base.folders import weights_sha256
from fineline.resources.models.worker.tasks import Train

MARK = "fineline.json"


def identity(spec: Train) -> str:
    """A hash of everything that the weights of a run depend on: settings, starting weights and rows."""
    digest = hashlib.sha256(spec.model_dump_json(include={"task", "stage", "dtype"}).encode())
    digest.update(weights_sha256(Path(spec.model)).encode())
    digest.update(Path(spec.train).read_bytes())
    return digest.hexdigest()


def mark(checkpoint: Path, run: str) -> None:
    """Say that a checkpoint is written to its end, and by which run."""
    partial = checkpoint / "fineline.partial"
    partial.write_text(json.dumps({"run": run}), encoding="utf-8")
    partial.replace(checkpoint / MARK)


def newest(folder: Path, run: str) -> Path | None:
    """The newest whole checkpoint of this run; None where there is none. Those of other runs do not count."""
    found = {
        int(path.parent.name.removeprefix("checkpoint-")): path.parent
        for path in folder.glob(f"checkpoint-*/{MARK}")
        if json.loads(path.read_text(encoding="utf-8"))["run"] == run
    }
    return found[max(found)] if found else None
