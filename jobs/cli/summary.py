"""The closing report of a run: what it made, the results, where they are stored, and how to open the UI."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fineline.data_contracts import catalog
from fineline.data_contracts.records import SPLITS
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.tables import scan_table
from fineline.resources.governance.accounting.ledger import funnel, reasons, tally
from fineline.resources.planning.plan import Task
from fineline.resources.project import Project

# The files that the report names: (description, asset, role).
PLACES = (
    ("tables", catalog.CURATED_CORPUS, "data"),
    ("training rows", catalog.SFT_DATASET, "train"),
    ("model", catalog.RELEASE, "release"),
)


def summary(project: Project, made: Sequence[Task], skipped: Sequence[Task], seconds: float) -> str:
    """The report as text for a terminal; parts about assets that are not stored are left out."""
    storage = project.storage
    parts = [
        _tasks(made, skipped, seconds),
        _funnel(storage),
        _datasets(storage),
        _losses(storage),
        _places(storage),
        f"Look at it: make ui RECIPE={_relative(project.recipe_path)}   (then open http://localhost:3000)",
    ]
    return "\n\n".join(["", *[part for part in parts if part]])


def _tasks(made: Sequence[Task], skipped: Sequence[Task], seconds: float) -> str:
    current = [task for task in skipped if not task.waits]
    waiting = [f"  {task.label} for {task.waits}" for task in skipped if task.waits]
    names = ", ".join(task.label for task in current)
    if made:
        text = f"Made {len(made)} assets in {seconds:.0f} s."
        text += f" Skipped {len(current)} that are up to date: {names}" if current else ""
    else:
        text = (
            f"All {len(current)} assets are up to date: nothing had changed. Checking took {seconds:.0f} s.\n"
            f"Skipped, because their code, recipe and inputs are unchanged:\n  {names}"
        )
    return "\n".join([text, *(["Not made yet, waiting:", *waiting] if waiting else [])])


def _funnel(storage: Storage) -> str:
    if storage.manifest(catalog.RECORD_LEDGER.name) is None:
        return ""
    tallied = tally(scan_table(storage, catalog.RECORD_LEDGER.name))
    parts = {"Records": funnel(tallied), "In no split, because": reasons(tallied)}
    lines = [[name, *(f"  {count:>9,.0f}  {what}" for what, count in part.items())] for name, part in parts.items()]
    return "\n".join(line for part in lines if len(part) > 1 for line in part)


def _datasets(storage: Storage) -> str:
    lines = []
    for asset in catalog.DATASETS:
        manifest = storage.manifest(asset.name)
        if manifest is not None:
            rows = (f"{manifest.facts[f'{split} rows']:,} {split}" for split in SPLITS)
            lines.append(f"  {asset.name:<20} {', '.join(rows)}; {manifest.facts['trained tokens']:,} trained tokens")
    return "\n".join(["Datasets", *lines]) if lines else ""


def _losses(storage: Storage) -> str:
    manifest = storage.manifest(catalog.EVALUATION.name)
    if manifest is None:
        return ""
    lines = [
        f"  {model:<18} {estimate:.3f}  [{low:.3f}, {high:.3f}]"
        for model, (estimate, low, high) in manifest.facts["held-out loss"].items()
    ]
    verdict = [f"  {reason}" for reason in manifest.facts["reasons"]]
    return "\n".join(["Held-out loss, nats a token, with its interval", *lines, *verdict])


def _places(storage: Storage) -> str:
    stored = [(name, storage.manifest(asset.name), role) for name, asset, role in PLACES]
    places = [(name, storage.location(manifest, role)) for name, manifest, role in stored if manifest is not None]
    lines = [f"  {name:<14} {_relative(path)}" for name, path in [*places, ("everything", storage.root.location(""))]]
    return "\n".join(["Where it is stored", *lines])


def _relative(location: str) -> str:
    """The path from the working directory, where it is inside."""
    here, path = Path.cwd(), Path(location)
    return str(path.relative_to(here)) if path.is_relative_to(here) else location
