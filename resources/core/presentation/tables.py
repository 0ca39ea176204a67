"""Small tables for people: a few rows of a frame as Markdown."""

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

SHOWN_ROWS = 5
SHOWN_CHARACTERS = 160


def sample_table(frame: pl.DataFrame, rows: int = SHOWN_ROWS) -> str:
    """Rows from the beginning, the middle and the end of a frame as a Markdown table; long cells are cut."""
    if frame.is_empty():
        return "no rows"
    positions = sorted({round(i * (frame.height - 1) / max(rows - 1, 1)) for i in range(rows)})
    picked = frame[positions]
    shown = [column for column in frame.columns if picked[column].null_count() < picked.height]
    return markdown_table(shown, [[row[column] for column in shown] for row in picked.iter_rows(named=True)])


def first_few(names: Sequence[str], shown: int = 3, separator: str = ", ") -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return separator.join(names[:shown]) + more


def counts_by(frame: pl.DataFrame, column: str) -> dict[str, int]:
    """The number of rows with each value of a column, in the order of the values."""
    return {str(value): int(count) for value, count in frame.group_by(column).len().sort(column).iter_rows()}


def frame_table(frame: pl.DataFrame) -> str:
    """All rows of a small frame as a Markdown table."""
    return markdown_table(frame.columns, [list(row) for row in frame.rows()])


def markdown_table(header: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table; text in cells is kept to one line, and pipes in it cannot break the table."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        text = f"{value:.3f}"
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        text = " ⏎ ".join(f"{m['role']}: {m['content']}" if "role" in m else json.dumps(m) for m in value)
    elif isinstance(value, list):
        text = ", ".join(str(each) for each in value[:4]) + (", …" if len(value) > 4 else "")
    else:
        text = "" if value is None else str(value)
    text = " ".join(text.split())
    text = text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
