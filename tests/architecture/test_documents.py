"""What the documents say of the code is so."""

import importlib.util
import re
from pathlib import Path

import pytest
from architecture.outcomes import SECTIONS, TABLE, outcomes, table

ROOT = Path(__file__).resolve().parents[2]
# Paths that a run makes.
MADE = {"bench/results/latest.json"}
PATHS = re.compile(r"`((?:assets|resources|jobs|schedules|data_contracts|tests|docs|bench|locks)/[\w./-]*)`")
PAGES = [*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md"))]


def test_the_pictures_of_the_architecture_are_drawn_from_the_code_as_it_stands():
    spec = importlib.util.spec_from_file_location("draw_architecture", ROOT / "docs" / "draw_architecture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = module.PAGE.read_text(encoding="utf-8")
    assert module.drawn(page) == page, "run make docs"


def test_what_was_tried_is_in_the_docs_as_the_tests_have_it():
    assert {row.section for row in outcomes()} == set(SECTIONS)
    assert TABLE.read_text(encoding="utf-8") == table(), "run make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_a_page_names_exists(page):
    named = {*PATHS.findall(page.read_text(encoding="utf-8"))} - MADE
    assert [path for path in named if not (ROOT / path).exists()] == []
