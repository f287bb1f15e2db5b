"""When the next update is due. Told the time, never asking for it, so both clients and the tests share it."""

import random

# After the n-th failure in a row a client tries again within 2**(n-1) seconds, but never later than its interval. The
# delay is drawn from the whole span ("full jitter"): clients that failed together must not come back together.
FIRST_RETRY_S = 1.0


class Schedule:
    """The moments of a client's updates, in the caller's seconds (such as ``time.monotonic()``).

    Args:
        interval_s: the time from one update to the next.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._failures = 0
        # None: at once.
        self._due_s: float | None = None
        self._is_hurried = False

    def remaining(self, now_s: float) -> float:
        """Give the seconds until the next update is due; 0 if it is."""
        # Another thread may hurry in the very moment in which the end of an update plans the next one, so what is
        # planned does not count as long as somebody is in a hurry.
        return 0.0 if self._is_hurried or self._due_s is None else max(0.0, self._due_s - now_s)

    def hurry(self) -> None:
        """Have an update as soon as possible; if one is under way, another one after it."""
        self._is_hurried = True
        self._due_s = None

    def begin(self) -> None:
        """Note that an update begins: what was asked for until now is served by it."""
        self._is_hurried = False

    def succeed(self, now_s: float) -> None:
        """Note that the update succeeded."""
        self._failures = 0
        self._plan(now_s + self._interval_s)

    def fail(self, now_s: float) -> None:
        """Note that the update failed."""
        span_s = min(self._interval_s, FIRST_RETRY_S * 2 ** min(self._failures, 30))
        self._failures += 1
        self._plan(now_s + random.uniform(0, span_s))  # noqa: S311 - spreads load, guards nothing

    def _plan(self, due_s: float) -> None:
        self._due_s = None if self._is_hurried else due_s
