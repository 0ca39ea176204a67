"""Markdown tables and lists for people: samples of frames, small frames, the first few of many names."""

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

SAMPLE_ROWS = 5
TABLE_ROWS = 40
NAMES = 5
CHARACTERS = 160  # in a cell


def sample_table(frame: pl.DataFrame, rows: int = SAMPLE_ROWS) -> str:
    """Rows from the beginning, the middle and the end of a frame; columns without a value in them are left out."""
    if frame.is_empty():
        return "no rows"
    positions = sorted({round(i * (frame.height - 1) / (rows - 1)) for i in range(rows)})
    sample = frame[positions]
    columns = [column for column in frame.columns if sample[column].null_count() < sample.height]
    return frame_table(sample.select(columns))


def frame_table(frame: pl.DataFrame) -> str:
    """The first ``TABLE_ROWS`` rows of a frame, with the number of the others below them."""
    return markdown_table(frame.columns, frame.head(TABLE_ROWS).rows()) + _others(frame.height)


def counts_by(frame: pl.DataFrame, column: str) -> dict[str, int]:
    """The number of rows with each value of a column, in the order of the values."""
    return {str(value): int(count) for value, count in frame.group_by(column).len().sort(column).iter_rows()}


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table of at most ``TABLE_ROWS`` rows, with the number of the others below it.

    Text in cells is kept to one line and cut to ``CHARACTERS``; pipes and tags in it cannot break the table.
    """
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows[:TABLE_ROWS]]
    return "\n".join(lines) + _others(len(rows))


def first_few(names: Sequence[str], shown: int = NAMES, separator: str = ", ") -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return separator.join(names[:shown]) + more


def _others(rows: int) -> str:
    return f"\n\nand {rows - TABLE_ROWS:,} more" if rows > TABLE_ROWS else ""


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
    text = text if len(text) <= CHARACTERS else text[: CHARACTERS - 1] + "…"
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
