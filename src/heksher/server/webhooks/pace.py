"""How many messages are sent in a second, for all webhooks together.

A message takes a few milliseconds of a processor that requests need, too. Where a hundred webhooks are told of each of
a hundred writes in a second, the messages would take all of it; so they come later, and the requests do not.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

MESSAGES_PER_S: Final = 200


class Pace:
    """Lets messages be sent one after the other, in the order in which they are asked for. Belongs to one event loop.

    Args:
        per_s: how many there may be in a second.
        now_s: returns the time; monotonic.
    """

    def __init__(self, per_s: float = MESSAGES_PER_S, now_s: Callable[[], float] = time.monotonic) -> None:
        self._span_s = 1 / per_s
        self._now_s = now_s
        # When the next one may be sent.
        self._free_s = 0.0

    async def __call__(self) -> None:
        """Wait until a message may be sent."""
        if (wait_s := self.take()) > 0:
            await asyncio.sleep(wait_s)

    def take(self) -> float:
        """Return in how many seconds a message may be sent, which is then taken for sent."""
        now_s = self._now_s()
        turn_s = max(now_s, self._free_s)
        self._free_s = turn_s + self._span_s
        return turn_s - now_s
