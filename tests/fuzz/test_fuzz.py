"""What comes from outside, made up, whole and damaged; `make fuzz` tries far more, `corpus/` has what was found."""

import pytest
from fuzz import forgetting, manifests, readers, recipes, scrubbing, shapes
from fuzz.throwing import CORPUS, Case, throw

TARGETS = {
    "readers": readers.TEXTS,
    "tables": readers.TABLES,
    "shapes": shapes.ROWS,
    "recipes": recipes.RECIPES_,
    "manifests": manifests.MANIFESTS,
    "requests": forgetting.REQUESTS,
    "forms": forgetting.TEXTS,
    "scrubbing": scrubbing.RECORDS,
}


@pytest.mark.outcome(
    "trust", "made-up files, rows, recipes, manifests, requests and texts", "taken, or refused in words"
)
@pytest.mark.parametrize("name", TARGETS)
def test_whatever_is_thrown_is_taken_or_refused_in_words(name):
    throw(name, TARGETS[name])


@pytest.mark.outcome("trust", "what fuzzing found", "it stays mended; `make fuzz` looks for more")
@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_once_stays_mended(path):
    TARGETS[path.parent.name].check(Case(path.name, path.read_bytes()))
