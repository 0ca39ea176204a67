"""The recipe and the storage root of a pipeline, as the one resource that every asset takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg

from fineline.resources.core.keys import PseudonymKey, load_key
from fineline.resources.core.recipe.loading import load_recipe, recipe_path, storage_root
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.store import Storage


class Project(dg.ConfigurableResource[Any]):
    """What to build (a recipe file) and where it lies (a storage root)."""

    recipe_path: str
    storage_root: str

    @property
    def recipe(self) -> Recipe:
        """The recipe, read and checked anew. Raises RecipeError."""
        return load_recipe(Path(self.recipe_path))

    @property
    def recipe_text(self) -> str:
        """The recipe file as it stands, for the metadata of what it makes."""
        return Path(self.recipe_path).read_text(encoding="utf-8")

    @property
    def storage(self) -> Storage:
        """The tables and models of this recipe."""
        return Storage(Path(self.storage_root))

    @property
    def pseudonym_key(self) -> PseudonymKey:
        """The key of pseudonyms and hashes, made on first use. Raises StorageError."""
        return load_key(Path(self.storage_root))


def current_project(recipe: str | None = None) -> Project:
    """The project that the environment names: FINELINE_RECIPE, and FINELINE_HOME (default ``.fineline``).

    Raises:
        RecipeError: the recipe is missing or does not fit.
    """
    path = recipe_path(recipe).resolve()
    return Project(recipe_path=str(path), storage_root=str(storage_root(path)))
