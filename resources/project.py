"""The recipe and the storage root of a pipeline, as the one resource that every asset takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fineline.resources.core.compute.engine import Engine, local_engine
from fineline.resources.core.keys import PseudonymKey, load_key
from fineline.resources.core.recipe.loading import parse_recipe, read_recipe, recipe_path, storage_root
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.store import Storage


@dataclass(frozen=True)
class Project:
    """What to build (a recipe) and where it is stored (a storage root).

    It is no configurable resource, so that no launch can give another recipe or root. It holds the recipe's text, read
    once when definitions load: a run cannot mix two recipes, and a recipe that was edited counts from the next load on.
    """

    recipe_path: str
    recipe_text: str
    storage_root: str

    @property
    def recipe(self) -> Recipe:
        """The recipe."""
        return _parsed(self.recipe_text, self.recipe_path)

    @property
    def storage(self) -> Storage:
        """The tables and models of this recipe."""
        return Storage(Path(self.storage_root))

    @property
    def engine(self) -> Engine:
        """Where units of work run: as many processes as the recipe gives the scrubber. Close it after use."""
        return local_engine(self.recipe.scrub.workers)

    @property
    def pseudonym_key(self) -> PseudonymKey:
        """The key of pseudonyms and hashes, made on first use. Raises StorageError."""
        return load_key(self.storage.root)


def current_project(recipe: str | None = None) -> Project:
    """The project that the environment names: FINELINE_RECIPE, and FINELINE_HOME (default ``.fineline``).

    Raises RecipeError where the recipe is missing or does not fit.
    """
    path = recipe_path(recipe).resolve()
    text = read_recipe(path)
    return Project(recipe_path=str(path), recipe_text=text, storage_root=str(storage_root(_parsed(text, str(path)))))


@cache
def _parsed(text: str, path: str) -> Recipe:
    return parse_recipe(text, Path(path))
