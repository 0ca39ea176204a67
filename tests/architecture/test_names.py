"""No asset's name stands as text in source, but for the catalogue."""

import ast
from pathlib import Path

import pytest

from fineline.data_contracts import catalog

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("assets", "data_contracts", "jobs", "resources", "schedules")
# Words that are also something else: sections of the recipe, groups in the UI, folders under the storage root.
AMBIGUOUS = {"evaluation", "release", "arrivals"}
TRAINED = {catalog.model_of(stage) for stage in ("pretrained", "sft", "aligned")}
NAMES = {each.name for each in catalog.ASSETS} - AMBIGUOUS | TRAINED


def spelt(path):
    """The names of assets that a module spells, with their lines."""
    return [
        (node.lineno, node.value)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node.value.partition("[")[0] in NAMES
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_module_but_the_catalogue_spells_the_name_of_an_asset(folder):
    modules = [path for path in (ROOT / folder).rglob("*.py") if path.name != "catalog.py"]
    assert {str(path.relative_to(ROOT)): found for path in modules if (found := spelt(path))} == {}


def test_a_spelt_name_is_found(tmp_path):
    module = tmp_path / "module.py"
    module.write_text('x = "splits"\ny = "raw_corpus[docs/1]"\nz = "some words on splits"\n')
    assert spelt(module) == [(1, "splits"), (2, "raw_corpus[docs/1]")]
