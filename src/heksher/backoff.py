"""Failures in a row: how long to wait before the next attempt, and how loudly to tell of each.

Theory
------
Whatever has failed is tried again within a time that doubles with each failure in a row, up to a longest one. The
moment within that time is random, because what has failed together must not come back together.

The first failure of a row is news, and so is the end of the row. The failures in between matter only to someone who
looks for them.
"""

import logging
import random
from typing import Final

# Beyond that, doubling changes nothing any more: each row has reached its longest time long before. Without a bound,
# a thousand failures would make a number that no float can hold.
_MAX_DOUBLINGS: Final = 30


def draw(low: float, high: float) -> float:
    """Return a random number between two others, to spread what would otherwise happen at the same moment."""
    return random.uniform(low, high)  # noqa: S311 - spreads load, guards nothing


class FailureRow:
    """Failures in a row.

    Attributes:
        count: how many there were; 0 after a success.
    """

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count: int = 0

    def fail(self, level: int = logging.DEBUG) -> int:
        """Count a failure; return the level to log it at: the given one for the first of a row, then ``DEBUG``."""
        self.count += 1
        return level if self.count == 1 else logging.DEBUG

    def end(self) -> bool:
        """Note a success; return whether it ends a row, which is worth a line in the log."""
        is_end, self.count = self.count > 0, 0
        return is_end

    def span_s(self, *, first_s: float, longest_s: float) -> float:
        """Return within how many seconds the next attempt is to be made: ``first_s`` after one failure, then doubled.

        Args:
            first_s: the time after the first failure, in seconds.
            longest_s: the longest time, in seconds.
        """
        doublings = min(max(self.count - 1, 0), _MAX_DOUBLINGS)
        return min(longest_s, first_s * 2.0**doublings)
