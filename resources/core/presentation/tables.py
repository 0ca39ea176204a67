"""Tables and lists for people: samples of frames, small frames, the first few of many names."""

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from fineline.resources.core.presentation.inert import inert

SAMPLE_ROWS = 5
TABLE_ROWS = 40
NAMES = 5
CHARACTERS = 160  # in a cell


def sample_rows(frame: pl.DataFrame, rows: int = SAMPLE_ROWS) -> list[dict[str, str]]:
    """Rows from the beginning, the middle and the end of a frame; columns without a value in them are left out."""
    positions = sorted({round(i * (frame.height - 1) / (rows - 1)) for i in range(rows)}) if frame.height else []
    sample = frame[positions]
    return text_rows(sample[[column.name for column in sample if column.null_count() < sample.height]])


def text_rows(frame: pl.DataFrame) -> list[dict[str, str]]:
    """The first ``TABLE_ROWS`` rows as text by column, and, where there are more, a row with the number of the others.

    A cell is one inert line, cut to ``CHARACTERS``.
    """
    names = [inert(name) for name in frame.columns]
    rows = [dict(zip(names, map(_cell, row), strict=True)) for row in frame.head(TABLE_ROWS).rows()]
    more = [f"and {frame.height - TABLE_ROWS:,} more"] if frame.height > TABLE_ROWS else []
    return rows + [dict(zip(names, [text, *[""] * (len(names) - 1)], strict=True)) for text in more]


def counts_by(frame: pl.DataFrame, column: str) -> dict[str, int]:
    """The number of rows with each value of a column, in the order of the values."""
    return {str(value): int(count) for value, count in frame.group_by(column).len().sort(column).iter_rows()}


def first_few(names: Sequence[str], shown: int = NAMES, separator: str = ", ") -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return separator.join(names[:shown]) + more


def _cell(value: Any) -> str:
    if isinstance(value, float):
        text = f"{value:.3f}"
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        text = " ⏎ ".join(f"{m['role']}: {m['content']}" if "role" in m else json.dumps(m) for m in value)
    elif isinstance(value, list):
        text = ", ".join(str(each) for each in value[:4]) + (", …" if len(value) > 4 else "")
    else:
        text = "" if value is None else str(value)
    text = inert(" ".join(text.split()))
    return text if len(text) <= CHARACTERS else text[: CHARACTERS - 1] + "…"
