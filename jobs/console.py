"""Plain lines on the terminal for what a run does: steps, their time, and their messages."""

import logging
import time

import dagster as dg


class _PlainFormatter(logging.Formatter):
    """One line a message: time, step, text."""

    def format(self, record: logging.LogRecord) -> str:
        meta = getattr(record, "dagster_meta", {})
        step = meta.get("step_key") or meta.get("job_name") or ""
        text = meta.get("orig_message") or record.getMessage()
        line = f"{time.strftime('%H:%M:%S')}  {step:<20} {text}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


@dg.logger(description="Plain lines: time, step, message.")
def plain_console(_context: dg.InitLoggerContext) -> logging.Logger:
    """Messages of assets and failures; Dagster's own bookkeeping events stay in the event log."""
    logger = logging.Logger("fineline.run", level=logging.INFO)
    handler = logging.StreamHandler()
    handler.setFormatter(_PlainFormatter())
    logger.addHandler(handler)
    return logger
