"""Connections that have more to read than may be read at once, and go on one after another.

However many of them there are, in each turn of the event loop they take a few milliseconds together. So whoever else
asks is answered meanwhile.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

# How long reading may go on in one turn of the loop, by ``time.perf_counter``: the loop's own clock stands still in it.
_TURN_S: Final = 0.005


class Deferred:
    """What is still to be read, in the order in which it was put off."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def add(self, read_on: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        """Have something read in one of the next turns of a loop, always the same one."""
        if not self._waiting:
            loop.call_soon(self._read, loop)
        self._waiting.append(read_on)

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        # Those that are added meanwhile are for the next turn: a turn has to end.
        end_s = time.perf_counter() + _TURN_S
        for _ in range(len(self._waiting)):
            # Taken away only afterwards, so that what it adds does not begin another row of turns.
            self._waiting[0]()
            self._waiting.popleft()
            if time.perf_counter() >= end_s:
                break
        if self._waiting:
            loop.call_soon(self._read, loop)
