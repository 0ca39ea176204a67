"""The small corpus with a tiny model, made by the main job in one process."""

from pathlib import Path

import dagster as dg
from support.batches import give_key
from support.corpus import write_corpus, write_recipe
from support.places import asset_folder
from support.tiny_model import make_tiny_model

from fineline.assets.pipeline import nodes
from fineline.jobs.definitions import build
from fineline.jobs.runner import make
from fineline.resources.project import current_project


class World:
    """A recipe, its storage root and Dagster's history of it."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder, self.instance = folder, instance
        write_corpus(folder / "corpus")
        make_tiny_model(folder / "model", initializer_range=0.2)
        self.recipe = write_recipe(folder)
        give_key(self.project.storage_root)
        self.first_runs: list[str] = []

    @property
    def project(self):
        return current_project(str(self.recipe))

    @property
    def storage(self):
        return self.project.storage

    @property
    def assets(self):
        """The names of all assets that a run makes."""
        return [node.name for node in nodes(build(str(self.recipe)).resolve_asset_graph())]

    def make(self):
        made, skipped = make(self.project, build(str(self.recipe)), self.instance)
        return [task.label for task in made], [task.label for task in skipped]

    def forget(self, asset):
        """Have an asset made again on the next run."""
        (asset_folder(self.storage, asset) / "manifest.json").unlink()
