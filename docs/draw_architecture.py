"""Draws the two pictures of docs/architecture.md: the wings from the import contracts, the graph from the catalogue.

    make docs

Each picture stands between two marks in the page, as Mermaid, which GitHub and most editors show as a drawing.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from fineline.assets.pipeline import recipe_graph
from fineline.data_contracts.catalog import Asset, Grain
from fineline.resources.core.recipe.loading import RECIPES, load_recipe

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
# A recipe that trains in two stages, as most do.
RECIPE = RECIPES / "quickstart.yaml"


def main() -> None:
    """Redraw both pictures."""
    PAGE.write_text(drawn(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def drawn(page: str) -> str:
    """The page with both pictures as the code stands now."""
    for name, lines in (("wings", wings()), ("graph", graph())):
        picture = "\n".join([f"<!-- {name} -->", "```mermaid", *lines, "```", f"<!-- end of {name} -->"])
        page = re.sub(rf"<!-- {name} -->.*?<!-- end of {name} -->", lambda _, p=picture: p, page, flags=re.DOTALL)
    return page


def wings() -> list[str]:
    """Folders and wings in the order in which they may import, each with the summary of its package."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = {each["id"]: each["layers"] for each in contracts if each["type"] == "layers"}
    project = [name.removeprefix("fineline.") for name in layers["project"]]
    floors: list[Sequence[str]] = []
    for name in project:
        inside = [[f"resources/{part.strip()}" for part in floor.split("|")] for floor in layers["resources"]]
        floors += inside if name == "resources" else [[name]]
    lines = ["flowchart TD"]
    lines += [f'  {_id(name)}["<b>{name}</b><br>{summary(name)}"]' for floor in floors for name in floor]
    for above, below in pairwise(floors):
        lines += [f"  {_id(one)} --> {_id(other)}" for one in above for other in below]
    return lines


def graph() -> list[str]:
    """The assets of the quickstart recipe by group, with an arrow from each of their nearest upstream assets."""
    entries = list(recipe_graph(load_recipe(RECIPE)).values())
    lines = ["flowchart TD"]
    for group in dict.fromkeys(each.group for each in entries):
        lines.append(f"  subgraph {group}")
        lines += [f"    {_box(each)}" for each in entries if each.group == group]
        lines.append("  end")
    lines += [f"  {name} --> {each.name}" for each in entries if not each.governs for name in _nearest(each, entries)]
    return lines


def summary(name: str) -> str:
    """The first sentence of a package's or module's docstring."""
    place = ROOT / name
    source = (place / "__init__.py" if place.is_dir() else place.with_suffix(".py")).read_text(encoding="utf-8")
    return source.split('"""')[1].split("\n")[0].rstrip(".").replace('"', "'")


def _box(asset: Asset) -> str:
    shown = f"{asset.name}[batch]" if asset.per_batch else asset.name
    return f'{asset.name}(["{shown}"])' if asset.grain is Grain.EXTERNAL else f'{asset.name}["{shown}"]'


def _nearest(asset: Asset, entries: Iterable[Asset]) -> list[str]:
    """The upstream without what another upstream is made from: an arrow that only repeats a way is left out."""
    by_name = {each.name: each for each in entries}

    def below(name: str) -> set[str]:
        return {name}.union(*(below(each) for each in by_name[name].upstream))

    return [
        name for name in asset.upstream if not any(name in below(other) for other in asset.upstream if other != name)
    ]


def _id(name: str) -> str:
    return name.replace("/", "_").replace(".py", "")


if __name__ == "__main__":
    main()
