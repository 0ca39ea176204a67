"""A limit on the processor time of one analysis."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

# The longest segment of nothing but marks, each a token of its own to the second model, takes 10. It is processor time,
# so that a busy machine changes little.
SEGMENT_SECONDS = 60.0
_REPEAT_SECONDS = 1.0


class AnalysisTimedOut(BaseException):
    """An analysis took more processor time than it may. No library's ``except Exception`` catches it."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise AnalysisTimedOut within the block once it has taken so many seconds of this process.

    For the main thread. A pattern of ``re`` or ``regex`` is interrupted in the middle: both look for signals while they
    match.
    """

    def stop(*_: object) -> None:
        raise AnalysisTimedOut

    before = signal.signal(signal.SIGPROF, stop)
    try:
        # Again and again, in case the first one falls into a callback that swallows errors.
        signal.setitimer(signal.ITIMER_PROF, seconds, _REPEAT_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
