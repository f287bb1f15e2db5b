"""When the next update is due. Told the time, never asking for it, so both clients and the tests share it.

Every delay has a random part. Clients that were started together, or that lost the service together, must not come back
together, and the random part is wide enough to spread a fleet over the whole time available.

What updates are due follows queries alone. A declaration that failed is tried again with an update of its own, so its
setting's trouble makes no update later.
"""

import math

from heksher.backoff import FailureRow, draw

# Each interval is drawn from this share of it to all of it: never later than asked for, and soon out of step.
MIN_INTERVAL_SHARE = 0.8

# After the n-th failure in a row a client tries again within 2**(n-1) seconds, but never later than its interval. The
# delay is drawn from the whole span ("full jitter").
FIRST_RETRY_S = 1.0

# A service that refuses (401, 403, 404) does so until a configuration is corrected: a client asks ever more rarely, but
# never more rarely than this, or than its interval if that is longer.
MAX_REFUSED_S = 300.0

# While the service tells of its changes, polling is a safety net for changes that it failed to tell.
NET_INTERVAL_S = 300.0

# A change is told to all clients of a service at once. They ask for it within this time, most of them well within the
# second that a change may take to arrive everywhere.
MAX_NUDGE_DELAY_S = 0.25

# However long a service asks its clients to stay away (Retry-After), they look again after this time.
MAX_RETRY_AFTER_S = 3600.0

# How long a client without an interval sleeps, in vain: what wakes it is a setting that is to be declared.
IDLE_S = 3600.0


class Schedule:
    """The moments of a client's updates, in the caller's seconds (such as ``time.monotonic()``).

    Args:
        interval_s: the longest time from one update to the next; ``None`` for no updates but those that are hurried.
    """

    def __init__(self, interval_s: float | None) -> None:
        self._is_idle = interval_s is None
        self._interval_s = IDLE_S if interval_s is None else interval_s
        self._failures = FailureRow()
        # The refusals at the end of that row.
        self._refusals = FailureRow()
        # When the next update is due: a moment, and the share of the interval that is added to it. The interval is read
        # when the schedule is, so that no thread can bring back one that no longer holds. None: at once.
        self._due: tuple[float, float] | None = None
        self._is_hurried = False
        # Whether the service tells of its changes.
        self._has_stream = False
        # When an update is due because of a change, None if there was none; and until when the service asked to be left
        # alone, even if it tells of changes.
        self._nudged_s: float | None = None
        self._not_before_s = 0.0
        # When declarations that failed are tried again, infinity if there are none.
        self._declarations_s = math.inf

    def remaining(self, now_s: float) -> float:
        """Return the seconds until the next update is due; 0 if it is."""
        # Another thread may call hurry in the moment in which the end of an update plans the next one, so a plan does
        # not count until the hurry is served.
        due, nudged_s = self._due, self._nudged_s
        if self._is_hurried or due is None:
            return 0.0
        if self._is_idle:
            return IDLE_S
        due_s = due[0] + due[1] * (max(self._interval_s, NET_INTERVAL_S) if self._has_stream else self._interval_s)
        if nudged_s is not None:
            due_s = min(due_s, max(nudged_s, self._not_before_s))
        if not self._failures.count:
            # Where queries fail, declarations would, too.
            due_s = min(due_s, self._declarations_s)
        return max(0.0, due_s - now_s)

    def hurry(self) -> None:
        """Have an update as soon as possible; if one is under way, another one after it."""
        self._is_hurried = True
        self._due = None

    def nudge(self, now_s: float) -> None:
        """Have an update soon, at a random moment: something has changed, for many clients at once."""
        if self._nudged_s is None:
            self._nudged_s = now_s + draw(0, MAX_NUDGE_DELAY_S)

    def note_stream(self, now_s: float, *, is_open: bool) -> None:
        """Note that the service tells of its changes from now on, or no longer."""
        self._has_stream = is_open
        if not is_open and self._due is not None and not self._failures.count:
            # Other clients may have lost their streams at the same time.
            self._plan(now_s, draw(0, 1))

    def scatter(self, now_s: float) -> None:
        """Have an update before it is due, at a random moment: a process was forked, perhaps as one of many."""
        self._plan(now_s + draw(0, min(self._interval_s, self.remaining(now_s))))

    def plan_declarations(self, due_s: float) -> None:
        """Have an update when declarations that failed are due; infinity if there are none."""
        self._declarations_s = due_s

    def begin(self) -> None:
        """Note that an update begins: what was asked for until now is served by it."""
        self._is_hurried = False
        self._nudged_s = None

    def succeed(self, now_s: float) -> None:
        """Note that the update succeeded."""
        self._failures.end()
        self._refusals.end()
        self._not_before_s = 0.0
        self._plan(now_s, draw(MIN_INTERVAL_SHARE, 1))

    def fail(self, now_s: float, *, is_refused: bool = False, retry_after_s: float | None = None) -> None:
        """Note that the update failed.

        Args:
            now_s: the time.
            is_refused: whether the service refused in a way that trying again soon will not change.
            retry_after_s: for how long the service asked not to be asked; ``None`` if it did not.
        """
        self._failures.fail()
        if is_refused:
            # A first refusal is one, whatever has failed before.
            self._refusals.fail()
            span_s = self._refusals.span_s(first_s=self._interval_s, longest_s=max(self._interval_s, MAX_REFUSED_S))
            least_s = span_s / 2
        else:
            self._refusals.end()
            span_s = self._failures.span_s(first_s=FIRST_RETRY_S, longest_s=self._interval_s)
            least_s = 0.0
        # Clients that were told the same time are spread after it.
        asked_s = min(retry_after_s or 0.0, MAX_RETRY_AFTER_S)
        self._not_before_s = now_s + asked_s
        self._plan(now_s + asked_s + draw(least_s, span_s))

    def _plan(self, due_s: float, interval_share: float = 0.0) -> None:
        self._due = None if self._is_hurried else (due_s, interval_share)
