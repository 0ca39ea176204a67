"""Finding, reading and checking a recipe file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.redaction import FinelineError, holds_secret

RECIPES = Path(__file__).resolve().parents[3] / "jobs" / "recipes"
DEFAULT_RECIPE = RECIPES / "quickstart.yaml"


class RecipeError(FinelineError):
    """A recipe that cannot be used; the message names the key and what was expected."""


def recipe_path(value: str | None = None) -> Path:
    """The recipe's file: the argument, else FINELINE_RECIPE, else quickstart. A bare name is a shipped one."""
    given = value or os.environ.get("FINELINE_RECIPE") or str(DEFAULT_RECIPE)
    path = Path(given)
    if not path.exists() and (RECIPES / f"{given}.yaml").exists():
        path = RECIPES / f"{given}.yaml"
    return path


def storage_root(recipe: Recipe) -> Path:
    """The folder of a recipe's tables and models: under FINELINE_HOME (default ``.fineline``), by the recipe's name.

    Each recipe has a folder of its own, so that two recipes never overwrite each other.
    """
    return Path(os.environ.get("FINELINE_HOME", ".fineline")).expanduser().resolve() / recipe.name


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe file. Raises RecipeError; see :func:`read_recipe` and :func:`parse_recipe`."""
    return parse_recipe(read_recipe(path), path)


def read_recipe(path: Path) -> str:
    """The text of a recipe file. Raises RecipeError where it is missing, or no text."""
    if not path.is_file():
        shipped = ", ".join(sorted(p.stem for p in RECIPES.glob("*.yaml")))
        raise RecipeError(f"recipe not found: {path}. Give a path, or one of the shipped ones: {shipped}.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is not UTF-8 text: {error}") from error


def parse_recipe(text: str, path: Path) -> Recipe:
    """Check the text of a recipe. Relative paths in it start at the folder of `path`, which errors name.

    Raises:
        RecipeError: the text is not YAML, or does not fit; each wrong key is named with its path.
    """
    try:
        values = yaml.safe_load(text)
        secrets = [".".join(keys) for keys, text in _texts(values) if holds_secret(text)]
    # The last three are raised for dates and numbers that there are none of, and for what is nested too deeply.
    except (yaml.YAMLError, ValueError, AttributeError, RecursionError) as error:
        # The cause is cut off here and below, and the line that YAML shows left out: they may quote a secret.
        raise RecipeError(f"{path} is not valid YAML: {_yaml_problem(error)}") from None
    if secrets:
        raise RecipeError(
            f"{path} holds a password, token or key in {', '.join(secrets)}. A recipe is shown in the UI and stored "
            "with each release: put the secret into an environment variable, and the variable's name, such as "
            "$PASSWORD, in its place."
        )
    try:
        return Recipe.model_validate(values, context={"folder": path.resolve().parent})
    except ValidationError as error:
        raise RecipeError(f"{path} does not fit:\n" + "\n".join(_explain(error, values))) from None


def _yaml_problem(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"{error.problem}, line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}"
    return str(error)


def _texts(value: Any, *keys: str) -> Iterator[tuple[Sequence[str], str]]:
    """The texts of a recipe, each with the keys that lead to it."""
    if isinstance(value, str):
        yield keys, value
    elif isinstance(value, (dict, list)):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(each, *keys, str(key))


def _explain(error: ValidationError, values: Any) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False):
        key = ".".join(_key_path(problem["loc"], values)) or "recipe"
        unknown = problem["type"] == "extra_forbidden"
        reason = "unknown key; look for a typing mistake, or remove it" if unknown else problem["msg"]
        lines.append(f"  {key}: {reason.removeprefix('Value error, ')}")
    return lines


def _key_path(location: Sequence[int | str], values: Any) -> Iterator[str]:
    """The keys that lead to a problem, without the kind or method by which pydantic chose among sections."""
    chosen = False
    for part in location:
        if not chosen and isinstance(values, dict) and part in (values.get("kind"), values.get("method")):
            chosen = True
            continue
        chosen = False
        yield str(part)
        found = isinstance(values, dict) or (isinstance(values, list) and isinstance(part, int))
        values = values.get(part) if isinstance(values, dict) else values[part] if found else None
