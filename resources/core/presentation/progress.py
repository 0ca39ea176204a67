"""Progress of long steps, reported every few seconds."""

import time
from collections.abc import Callable


def every_few_seconds(
    log: Callable[[str], None], what: str, *, seconds: float = 8.0, clock: Callable[[], float] = time.monotonic
) -> Callable[[int, int | None], None]:
    """A callback for (done, total) that logs how many are done, the rate, and the time left.

    ``total`` is None where it is unknown; the time left is then left out.
    """
    started = last = clock()

    def report(done: int, total: int | None) -> None:
        nonlocal last
        now = clock()
        if now - last < seconds and (total is None or done < total):
            return
        last = now
        rate = done / max(now - started, 1e-9)
        if total is None:
            log(f"{what}: {done:,}, {rate:,.0f} a second")
            return
        left = f", about {(total - done) / rate:.0f} s left" if done < total else ""
        log(f"{what}: {done:,} of {total:,}, {rate:,.0f} a second{left}")

    return report
