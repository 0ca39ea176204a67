"""Recipes with odd parts: each is taken, or is refused by a RecipeError."""

from pathlib import Path

import yaml
from fuzz.throwing import VALUES, Case, Target, damaged, edited
from hypothesis import strategies as st

from fineline.resources.core.recipe.loading import RECIPES, RecipeError, parse_recipe

SHIPPED = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(RECIPES.glob("*.yaml"))]
# What YAML makes of text, beyond JSON's values.
WRITTEN = st.sampled_from(
    [
        "[" * 900,
        "&a [*a]",
        "2026-99-99",
        "0b_",
        "!!int a",
        "!!timestamp a",
        "? [a] : 1",
        "{1: 2, null: 3}",
        "!!python/name:os.system",
        "<<: 1",
    ]
)
TEXTS = st.sampled_from(SHIPPED).flatmap(edited).map(lambda value: yaml.safe_dump(value, allow_unicode=True))
PARTS = st.tuples(st.sampled_from(["name: ", "sources: ", "training: ", "", "a: "]), WRITTEN).map("".join)
OTHERS = VALUES.map(yaml.safe_dump) | st.text(max_size=60) | PARTS


def check(case):
    place = Path("/nowhere/recipe.yaml")
    try:
        recipe = parse_recipe(case.content.decode(errors="replace"), place)
    except RecipeError:
        return
    assert recipe.model_dump_json()


CONTENT = (TEXTS | OTHERS).map(lambda text: text.encode(errors="replace"))
RECIPES_ = Target(damaged(CONTENT).map(lambda content: Case("a.yaml", content)), check, 80)
