"""What people see of an execution in the UI: tables, plots, text and log lines, none of which acts.

A table of values is table metadata, which the UI shows as plain text. Markdown, which it reads, is left for plots and
for the text of the recipe; everything else that comes as Markdown is shown as text.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from fineline.resources.core.presentation.inert import as_markdown, inert, inert_lines, unlinked
from fineline.resources.core.presentation.tables import SAMPLE_ROWS, sample_rows, text_rows

_PLOT = re.compile(r"!\[[\w ,.%()'-]*\]\(data:image/png;base64,[A-Za-z0-9+/=]+\)")
_FENCED = re.compile(r"(`{3,})yaml\n(?s:.*)\n\1")


def sample_table(frame: pl.DataFrame, rows: int = SAMPLE_ROWS) -> dg.MetadataValue:
    """Rows from the beginning, the middle and the end of a frame."""
    return _table(sample_rows(frame, rows))


def frame_table(frame: pl.DataFrame) -> dg.MetadataValue:
    """The first rows of a frame, with the number of the others below them."""
    return _table(text_rows(frame))


def inert_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata in which no text acts."""
    return {inert(str(name)): _shown(value) for name, value in metadata.items()}


def described(text: str | None) -> str | None:
    """The description of an event or a result of a check: the UI reads it as Markdown."""
    return None if text is None else as_markdown(text)


def quieten(log: logging.Logger) -> None:
    """Let no text act in the messages of a log, which the UI searches for addresses to make links of."""
    log.addFilter(_quiet)


def _quiet(record: logging.LogRecord) -> bool:
    record.msg, record.args = unlinked(record.getMessage()), None
    return True


def _table(rows: Sequence[Mapping[str, str]]) -> dg.MetadataValue:
    if not rows:
        return dg.MetadataValue.text("none")
    return dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in rows])


def _shown(value: Any) -> Any:
    match value:
        case str():
            return inert_lines(value)
        case dict():
            return inert_metadata(value)
        case list():
            return [_shown(each) for each in value]
        case dg.JsonMetadataValue():
            return dg.MetadataValue.json(_shown(value.data))
        case dg.TextMetadataValue():
            return dg.MetadataValue.text(inert_lines(value.text or ""))
        case dg.MarkdownMetadataValue() if not _is_ours(value.md_str or ""):
            return dg.MetadataValue.text(inert_lines(value.md_str or ""))
        case _:
            return value


def _is_ours(markdown: str) -> bool:
    """Whether Markdown is a plot, or one block of code that ends where its text does."""
    block = _FENCED.fullmatch(markdown)
    return _PLOT.fullmatch(markdown) is not None or (block is not None and markdown.count(block[1]) == 2)
