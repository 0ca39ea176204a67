"""The table of docs/security.md: what was tried, what came of it, and the test that holds it.

Each row stands at its test: ``@pytest.mark.outcome(section, what was tried, outcome)``. ``make docs`` writes the file.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).resolve().parent.parent
TABLE = TESTS.parent / "docs" / "security.md"
SECTIONS = {
    "shown": "Text that is shown",
    "port": "The port of the UI",
    "reading": "Files and rows",
    "time": "Texts that take long",
    "killed": "Killed, cut off, full",
    "forgetting": "Forgetting",
    "leaks": "Secrets and names",
    "trust": "What is installed",
}
HEAD = """\
# What was tried, and what came of it

Someone puts a file into an inbox, reaches the port, kills a process or pulls the plug: a test holds each line and has
it as a mark, and `make docs` makes this page of the marks. [SECURITY.md](../SECURITY.md) has what is not held. Files
named here lie in the folder `data/hostile` of `FINELINE_SHARED`.
"""


class Outcome(NamedTuple):
    """One row."""

    section: str
    tried: str
    outcome: str
    test: str


def outcomes() -> list[Outcome]:
    """All rows, by section, then in the order of the tests."""
    found = [row for path in sorted(TESTS.rglob("test_*.py")) for row in _of(path)]
    return sorted(found, key=lambda row: list(SECTIONS).index(row.section))


def _of(path: Path) -> Iterator[Outcome]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef):
            continue
        # Marks of the function, and of single cases of it.
        for call in (each for decorator in node.decorator_list for each in ast.walk(decorator)):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.outcome":
                section, tried, outcome = map(ast.literal_eval, call.args)
                yield Outcome(section, tried, outcome, path.relative_to(TESTS.parent).as_posix())


def table() -> str:
    """The page, in Markdown."""
    lines = [HEAD]
    for section, title in SECTIONS.items():
        rows = [row for row in outcomes() if row.section == section]
        lines += [f"## {title}\n", "| tried | outcome | test |", "|---|---|---|"]
        lines += [f"| {row.tried} | {row.outcome} | `{row.test}` |" for row in rows]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
