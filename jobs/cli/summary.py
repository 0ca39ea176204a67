"""What a run says at its end: what was built, how good it is, where it lies, and how to look at it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fineline.data_contracts import catalog
from fineline.resources.core.storage.store import Manifest, Storage
from fineline.resources.core.storage.tables import scan_table
from fineline.resources.governance.accounting.ledger import funnel, reasons
from fineline.resources.planning.plan import Task
from fineline.resources.project import Project


def summary(project: Project, made: Sequence[Task], skipped: Sequence[Task], seconds: float) -> str:
    """The closing report, as text for a terminal."""
    storage = project.storage
    parts = [
        _what_ran(made, skipped, seconds),
        _funnel(storage),
        _datasets(storage),
        _losses(storage),
        _places(project),
    ]
    return "\n\n".join(["", *[part for part in parts if part]])


def _what_ran(made: Sequence[Task], skipped: Sequence[Task], seconds: float) -> str:
    current = [task for task in skipped if not task.waits]
    waiting = [f"  {task.label} for {task.waits}" for task in skipped if task.waits]
    names = ", ".join(task.label for task in current)
    if made:
        text = f"Made {len(made)} assets in {seconds:.0f} s."
        text += f" Skipped {len(current)} that are up to date: {names}" if current else ""
    else:
        text = (
            f"All {len(current)} assets are up to date: nothing had changed in {seconds:.0f} s of looking.\n"
            f"Skipped, because code, recipe and inputs are those that they were made from:\n  {names}"
        )
    return "\n".join([text, *(["Not made yet, waiting:", *waiting] if waiting else [])])


def _funnel(storage: Storage) -> str:
    if storage.manifest(catalog.RECORD_LEDGER.name) is None:
        return ""
    ledger = scan_table(storage, catalog.RECORD_LEDGER.name).collect()
    parts = {"Records": funnel(ledger), "In no split, because": reasons(ledger)}
    lines = [[name, *(f"  {count:>9,.0f}  {what}" for what, count in part.items())] for name, part in parts.items()]
    return "\n".join(line for part in lines if len(part) > 1 for line in part)


def _datasets(storage: Storage) -> str:
    lines = []
    for name in (each.name for each in catalog.DATASETS):
        manifest = storage.manifest(name)
        if manifest is not None:
            counts = ", ".join(
                f"{manifest.facts[f'{split} rows']:,} {split}" for split in ("train", "validation", "test")
            )
            lines.append(f"  {name:<20} {counts}; {manifest.facts['trained tokens']:,} trained tokens")
    return "\n".join(["Datasets", *lines]) if lines else ""


def _losses(storage: Storage) -> str:
    manifest = storage.manifest(catalog.EVALUATION.name)
    if manifest is None:
        return ""
    lines = [
        f"  {model:<18} {estimate:.3f}  [{low:.3f}, {high:.3f}]"
        for model, (estimate, low, high) in manifest.facts["held-out loss"].items()
    ]
    verdict = "  " + "\n  ".join(manifest.facts["reasons"])
    return "\n".join(["Held-out loss, nats a token, with its interval", *lines, verdict])


def _places(project: Project) -> str:
    storage = project.storage
    places: list[tuple[str, Manifest | None, str]] = [
        ("tables", storage.manifest(catalog.CURATED_CORPUS.name), "data"),
        ("training rows", storage.manifest(catalog.SFT_DATASET.name), "train"),
        ("model", storage.manifest(catalog.RELEASE.name), "release"),
    ]
    lines = [f"  {name:<14} {_shown(storage.file(manifest, role))}" for name, manifest, role in places if manifest]
    return "\n".join(
        ["Where it lies", *lines, f"  {'everything':<14} {_shown(storage.root)}", "", _how_to_look(project)]
    )


def _how_to_look(project: Project) -> str:
    recipe = Path(project.recipe_path)
    return f"Look at it: make ui RECIPE={_shown(recipe)}   (then open http://localhost:3000)"


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
