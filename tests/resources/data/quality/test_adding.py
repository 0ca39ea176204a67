"""A toy rule on a new measure, added to a copy of the code by the edits that CONTRIBUTING.md names."""

from pathlib import Path

import pytest
from support.toys import copy_code, edit, run

RECIPE = """\
name: toy
sources: [{name: docs, kind: python_docs}]
quality: {maximum_questions: 1}
"""
PROGRAM = """\
import polars as pl
from pathlib import Path
from fineline.data_contracts.records import ScrubbedRecord
from fineline.resources.core.recipe.loading import parse_recipe
from fineline.resources.data.quality.scoring import score

schema = ScrubbedRecord.create_empty().schema
rows = [
    {**dict.fromkeys(schema), "record_id": text, "kind": "chat", "prompt": [], "replacements": 0,
     "completion": [{"role": "assistant", "content": text}]}
    for text in ("Is it so? Is it really?", "It is so. Or is it?")
]
section = parse_recipe(Path("toy.yaml").read_text(), Path("toy.yaml")).quality
print(score(pl.DataFrame(rows, schema=schema), section).select("questions", "failed_rule").rows())
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A folder with the code, the toy among it, for PYTHONPATH."""
    folder = tmp_path_factory.mktemp("toy")
    code = copy_code(folder)
    measure = '        "words": count,\n        "questions": text.str.count_matches(r"\\?"),\n'
    edit(code / "resources/data/quality/measures.py", '        "words": count,\n', measure)
    words = "    words = dy.UInt32(nullable=False)\n"
    edit(code / "data_contracts/curation.py", words, f"{words}    questions = dy.UInt32(nullable=False)\n")
    edit(
        code / "data_contracts/columns.py",
        '    "words": ',
        '    "questions": "Question marks of the answer.",\n    "words": ',
    )
    rule = '    Rule("too_many_questions", above("questions", "maximum_questions"), "The answer asks too much."),\n)\n'
    edit(code / "resources/data/quality/rules.py", "\n)\n\n\ndef first_broken", f"\n{rule}\n\ndef first_broken")
    setting = '    maximum_questions: int | None = Field(None, ge=0, description="Question marks in an answer.")\n'
    texts = "    texts: TextQuality = TextQuality()\n"
    edit(code / "resources/core/recipe/curation.py", texts, setting + texts)
    (folder / "toy.yaml").write_text(RECIPE)
    return folder


def test_an_answer_that_breaks_the_rule_fails_by_its_name(copy: Path):
    assert run(copy, "-c", PROGRAM).strip() == "[(2, 'too_many_questions'), (1, None)]"
