"""Plain lines on the terminal for what a run does: the steps, their time, and their messages."""

import logging
import time

import dagster as dg

_FOLLOWS = "Dependencies for step"


class _PlainFormatter(logging.Formatter):
    """One line a message: time of day, step, text."""

    def format(self, record: logging.LogRecord) -> str:
        meta = getattr(record, "dagster_meta", {})
        step = meta.get("step_key") or meta.get("job_name") or ""
        return f"{time.strftime('%H:%M:%S')}  {step:<20} {meta.get('orig_message') or record.getMessage()}"


def _is_for_people(record: logging.LogRecord) -> bool:
    """Messages of the assets, and what ended each step; the rest of the bookkeeping stays in the event log."""
    meta = getattr(record, "dagster_meta", {})
    event = meta.get("dagster_event")
    if event is None:
        # What a failed step keeps from running is plain from the failure; Dagster says it for each step.
        return record.levelno >= logging.INFO and not str(meta.get("orig_message")).startswith(_FOLLOWS)
    return bool(event.event_type_value == "STEP_SUCCESS")


@dg.logger(config_schema={}, description="Plain lines: time, step, message.")
def plain_console(_context: dg.InitLoggerContext) -> logging.Logger:
    """The console logger of this project."""
    logger = logging.Logger("fineline.run", level=logging.DEBUG)
    handler = logging.StreamHandler()
    handler.setFormatter(_PlainFormatter())
    handler.addFilter(_is_for_people)
    logger.addHandler(handler)
    return logger
