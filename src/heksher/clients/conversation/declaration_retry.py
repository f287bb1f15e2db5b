"""When a declaration that failed is tried again: on a schedule of its own, which is none of the updates' business.

A refusal (an unknown context feature, a version that cannot be the first) lasts until somebody corrects the program or
the service, so it is looked at again rarely. A failure (a service that is starting, or overrun by many processes that
have just started) may be over in a moment, so the next attempt comes soon, at a random moment, and later each time.

All settings whose declarations failed together are tried again together: one update declares them all.
"""

import math
from typing import Final

from heksher.backoff import FailureRow

# Within how many seconds a failed declaration is tried again, after the first failure and at most. The delay is drawn
# from the whole span: what has failed in several processes at once must not come back at once.
FIRST_RETRY_S: Final = 1.0
MAX_RETRY_S: Final = 60.0

# The same for refused ones; their delay is drawn from the second half of the span.
FIRST_REFUSED_S: Final = 30.0
MAX_REFUSED_S: Final = 300.0


class DeclarationRetry:
    """When the declaration of one setting is due, in the caller's seconds (such as ``time.monotonic()``).

    Attributes:
        due_s: the moment: minus infinity for at once, infinity from a failure until ``plan``.
        is_failed: whether it was tried, and failed, since the setting was accepted last.
        shared_failures: how often since then it failed in a request that declared others, too, and had no answer for
            each.
    """

    __slots__ = ("_asked_s", "_failures", "_is_refused", "due_s", "shared_failures")

    def __init__(self) -> None:
        self._failures = FailureRow()
        self._is_refused = False
        # For how long the service asked not to be asked.
        self._asked_s = 0.0
        self.due_s: float = -math.inf
        self.shared_failures: int = 0

    @property
    def is_failed(self) -> bool:
        return self._failures.count > 0

    def fail(self, *, is_refused: bool, asked_s: float = 0.0) -> None:
        """Note that the declaration failed.

        Args:
            is_refused: whether the service refused it in a way that trying again soon will not change.
            asked_s: for how many seconds the service asked not to be asked.
        """
        self._failures.fail()
        self._is_refused = is_refused
        self._asked_s = asked_s
        self.due_s = math.inf

    def end(self) -> None:
        """Note that nothing stands against a declaration: it was accepted, or is needed anew."""
        self._failures.end()
        self.due_s = -math.inf
        self.shared_failures = 0

    def plan(self, now_s: float, share: float) -> None:
        """Plan the next attempt, unless that is done.

        Args:
            now_s: the time.
            share: how much of the longest delay there is to be, from 0 to 1: random, and the same for all settings.
        """
        if self.due_s != math.inf:
            return
        if self._is_refused:
            span_s = self._failures.span_s(first_s=FIRST_REFUSED_S, longest_s=MAX_REFUSED_S)
            share = (1 + share) / 2
        else:
            span_s = self._failures.span_s(first_s=FIRST_RETRY_S, longest_s=MAX_RETRY_S)
        self.due_s = now_s + self._asked_s + share * span_s
