"""How the programs under test say what each of their processes reads."""

import asyncio
import os
import time
from collections.abc import Callable

# Who reads this value is to end.
END = -1
POLL_S = 0.01


def say(text: str) -> None:
    """Print a line, whole: several processes print to the same place."""
    os.write(1, f"{text}\n".encode())


class Reporter:
    """Says what this process reads.

    Args:
        read: gives the value.
    """

    def __init__(self, read: Callable[[], int]) -> None:
        self._read = read
        self._said: int | None = None

    def is_over(self) -> bool:
        """Say what is read, if that is new; return whether it is the value to end at."""
        value = self._read()
        if value != self._said:
            say(f"process {os.getpid()} reads {value}")
            self._said = value
        return value == END


def report(read: Callable[[], int]) -> None:
    """Say what this process reads, whenever that changes, until it is to end."""
    reporter = Reporter(read)
    while not reporter.is_over():
        time.sleep(POLL_S)


async def report_async(read: Callable[[], int]) -> None:
    """Do so without blocking the event loop."""
    reporter = Reporter(read)
    while not reporter.is_over():  # noqa: ASYNC110 - reading again and again is what this is about
        await asyncio.sleep(POLL_S)
