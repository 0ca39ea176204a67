"""A release folder: weights, tokenizer, adapter, model card, lineage and checksums."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from fineline.data_contracts import catalog
from fineline.data_contracts.catalog import Partition
from fineline.resources.core.redaction import redacted
from fineline.resources.core.storage.files import file_digest
from fineline.resources.core.storage.inventory import Inventory
from fineline.resources.core.storage.store import Storage
from fineline.resources.models.release.components import bill_of_materials
from fineline.resources.models.worker.protocol import ModelError

SUMS = "SHA256SUMS"


def files_of(folder: Path) -> list[Path]:
    """All files below a folder except the list of checksums, sorted by name."""
    found = [path for path in folder.rglob("*") if path.is_file() and path != folder / SUMS]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def place(source: Path, target: Path) -> None:
    """Place the files of a folder in another: weights as hard links where the file system can, the rest as copies.

    Editing a release's tokenizer therefore never changes the model that it came from.
    """
    for path in files_of(source):
        to = target / path.relative_to(source)
        to.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".safetensors" and source.stat().st_dev == to.parent.stat().st_dev:
            os.link(path, to)
        else:
            shutil.copyfile(path, to)


def assemble(merged: Path, adapter: Path, card: str, lineage: dict[str, Any], output: Path) -> None:
    """Write a release into ``output``, a new folder.

    The merged model lies at the top, where transformers and inference servers look; the adapter in
    ``adapter/``; the card is README.md, and ``sbom.json`` lists the packages that are installed now. ``SHA256SUMS`` can
    be checked by ``sha256sum -c``.
    """
    place(merged, output)
    place(adapter, output / "adapter")
    (output / "README.md").write_text(card, encoding="utf-8")
    text = json.dumps(lineage, indent=2, sort_keys=True, ensure_ascii=False)
    (output / "lineage.json").write_text(text + "\n", encoding="utf-8")
    (output / "sbom.json").write_text(bill_of_materials(), encoding="utf-8")
    sums = [f"{file_digest(path)}  {path.relative_to(output).as_posix()}\n" for path in files_of(output)]
    (output / SUMS).write_text("".join(sums), encoding="utf-8")


def lineage(storage: Storage, recipe_text: str) -> dict[str, Any]:
    """Every asset below the release, with its data version, code version and inputs, and the recipe's text."""
    found: dict[str, Any] = {}
    above = {catalog.RELEASE.name, *(each.name for each in catalog.ASSETS if each.governs)}
    fields = {"data_version", "code_version", "inputs", "rows", "rows_in", "dropped", "quarantined"}
    for manifest in Inventory(storage).manifests():
        if manifest.asset not in above:
            found[Partition(manifest.asset, manifest.batch).label] = manifest.model_dump(include=fields)
    return {"recipe": redacted(recipe_text), "assets": found}


def verify(folder: Path) -> int:
    """Recompute the checksums of a release; returns how many files were checked.

    Raises:
        ModelError: a file is missing, was changed or was added; the message names it.
    """
    lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    wanted = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    found = {path.relative_to(folder).as_posix(): path for path in files_of(folder)}
    problems = [f"{name} is missing" for name in sorted(wanted.keys() - found.keys())]
    problems += [f"{name} was added" for name in sorted(found.keys() - wanted.keys())]
    both = sorted(wanted.keys() & found.keys())
    problems += [f"{name} was changed" for name in both if file_digest(found[name]) != wanted[name]]
    if problems:
        raise ModelError(
            f"The release {folder.name} is not what was tested: {'; '.join(problems)}.",
            "Materialize the release again, or restore the folder from a copy.",
        )
    return len(both)
