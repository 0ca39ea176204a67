"""What a process prints, logs and warns of: inert lines without secrets, whoever writes them."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
import warnings
from typing import Any, TextIO

from fineline.resources.core.presentation.inert import inert_lines

_format_warning = warnings.formatwarning


class InertRecord(logging.LogRecord):
    """A log record whose message, and the error that it reports, are inert lines without secrets."""

    def __init__(self, *args: Any, **fields: Any) -> None:
        super().__init__(*args, **fields)
        if self.exc_info and self.exc_info[0]:
            self.exc_text = inert_lines(logging.Formatter().formatException(self.exc_info))

    def getMessage(self) -> str:
        """The message with its arguments filled in."""
        return inert_lines(super().getMessage())


def quieten_output() -> None:
    """Let all logs and warnings of this process, and the errors that end it or a thread, be inert from now on."""
    logging.setLogRecordFactory(InertRecord)
    warnings.formatwarning = lambda *warning, **line: inert_lines(_format_warning(*warning, **line))
    sys.excepthook = _show
    # Test runners have hooks of their own.
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = lambda ended: _show(*ended[:3]) if ended.exc_type is not SystemExit else None
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = lambda raised: _show(raised.exc_type, raised.exc_value, raised.exc_traceback)


def say(text: str, to: TextIO | None = None) -> None:
    """Print text for people to the terminal, at once."""
    print(inert_lines(text), file=to, flush=True)


def _show(*error: Any) -> None:
    say("".join(traceback.format_exception(*error)).rstrip(), sys.stderr)
