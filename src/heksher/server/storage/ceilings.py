"""How many settings and rules a service keeps. Without a ceiling, whoever may write can fill the disk and all memory.

What is there already stays, also if it is more: a ceiling that was lowered, or a backup that was restored, only keeps
more from being added.

Counting all rules takes a database long where there are millions, and all other writes would wait. So they are counted
only near the ceiling; whether that is near, and whether it is reached, an estimate says that costs nothing.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from heksher.server.errors import FullError

logger: logging.Logger = logging.getLogger(__name__)

# What messages call the two, and the variables that say how many there may be.
_NAMES: Final = (("settings", "HEKSHER_MAX_SETTINGS"), ("rules", "HEKSHER_MAX_RULES"))
# What other processes add between two looks of the estimate is less.
_MARGIN: Final = 10_000


class Counts(NamedTuple):
    """Numbers of settings and of rules."""

    settings: int
    rules: int


@dataclass(frozen=True, slots=True)
class Ceilings:
    """How many settings and rules there may be.

    Attributes:
        most: the ceilings.
        estimate: returns how many there are, or were a moment ago; ``None`` if nobody knows, and they are counted.
    """

    most: Counts
    estimate: Callable[[], Counts | None] = lambda: None


def warn_of_excess(ceilings: Ceilings, present: Counts) -> None:
    """Log a warning if there is more than the ceilings allow: after a restore, or since one was lowered."""
    for (what, variable), count, most in zip(_NAMES, present, ceilings.most, strict=True):
        if count > most:
            logger.warning(
                "there are %d %s, and %s is %d: they are served and can be changed, and none is added",
                count, what, variable, most,
            )  # fmt: skip


class Counted(Protocol):
    """What settings and rules are counted in."""

    def count_settings(self) -> int:
        """Return the number of settings."""

    def count_rules(self) -> int:
        """Return the number of rules."""


class Room:
    """What may still be added in one unit of work. Belongs to one run of it, hence to one thread.

    Args:
        ceilings: ``None`` for any number of everything.
    """

    def __init__(self, ceilings: Ceilings | None) -> None:
        self._ceilings = ceilings
        # How many settings and rules there are with those that room was taken for; None until they are counted.
        self._present: list[int | None] = [None, None]

    def take(self, state: Counted, wanted: Counts) -> None:
        """Take room for new settings and rules.

        Args:
            state: what they will be added to; has none of those that room was taken for before.
            wanted: their numbers.

        Raises:
            FullError: there is none; the message names the remedy.
        """
        if self._ceilings is None:
            return
        for place, count_all in enumerate((state.count_settings, state.count_rules)):
            if wanted[place]:
                self._take(self._ceilings, place, wanted[place], count_all)

    def _take(self, ceilings: Ceilings, place: int, count: int, count_all: Callable[[], int]) -> None:
        most, present = ceilings.most[place], self._present[place]
        if present is None:
            estimate = ceilings.estimate()
            is_clear = estimate is not None and not most - count - _MARGIN < estimate[place] < most
            present = estimate[place] if estimate is not None and is_clear else count_all()
        if present + count > most:
            what, variable = _NAMES[place]
            raise FullError(
                f"there are {present} {what}, and {count} more would be above the ceiling of {most}:"
                f" delete some that nobody needs, or start the service with a higher {variable}"
            )
        self._present[place] = present + count
