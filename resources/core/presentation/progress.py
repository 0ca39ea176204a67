"""Progress of long steps, said every few seconds and not for every record."""

import time
from collections.abc import Callable


def every_few_seconds(
    say: Callable[[str], None], what: str, *, seconds: float = 8.0, clock: Callable[[], float] = time.monotonic
) -> Callable[[int, int | None], None]:
    """A callback for (done, total) that reports how many are done, the rate, and the time left.

    A total of None is not known; the time left is not either.
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
            say(f"{what}: {done:,}, {rate:,.0f} a second")
            return
        left = f", about {(total - done) / rate:.0f} s left" if done < total else ""
        say(f"{what}: {done:,} of {total:,}, {rate:,.0f} a second{left}")

    return report
