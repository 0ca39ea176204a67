"""The console logger: one plain line for each finished step and for each message of an asset."""

import logging
import time
from typing import Any

import dagster as dg

from fineline.resources.core.orchestrator.internals import SKIPPED_BY_FAILURE
from fineline.resources.core.presentation.inert import inert_lines


class _PlainFormatter(logging.Formatter):
    """Time of day, step, text."""

    def format(self, record: logging.LogRecord) -> str:
        meta = _meta(record)
        step = meta.get("step_key") or meta.get("job_name") or ""
        message = inert_lines(str(meta.get("orig_message") or record.getMessage()))
        return f"{time.strftime('%H:%M:%S')}  {step:<20} {message}"


def _is_for_people(record: logging.LogRecord) -> bool:
    """Keeps messages of assets and the end of each step; the rest of the bookkeeping stays in the event log."""
    meta = _meta(record)
    event = meta.get("dagster_event")
    if event is None:
        # The failure itself shows why later steps were skipped; Dagster adds a line for each of them.
        return record.levelno >= logging.INFO and not str(meta.get("orig_message")).startswith(SKIPPED_BY_FAILURE)
    return bool(event.event_type == dg.DagsterEventType.STEP_SUCCESS)


def _meta(record: logging.LogRecord) -> dict[str, Any]:
    """What Dagster attaches to a log record."""
    return getattr(record, "dagster_meta", {})


@dg.logger(config_schema={}, description="Plain lines: time, step, message.")
def plain_console(_context: dg.InitLoggerContext) -> logging.Logger:
    """The console logger of this project."""
    logger = logging.Logger("fineline.run", level=logging.DEBUG)
    handler = logging.StreamHandler()
    handler.setFormatter(_PlainFormatter())
    handler.addFilter(_is_for_people)
    logger.addHandler(handler)
    return logger
