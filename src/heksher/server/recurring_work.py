"""A thread that does the same again and again, as long as the service runs."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

# How long close waits: it may be in the middle of a transaction, which is rolled back if the process ends then.
_CLOSE_TIMEOUT_S: Final = 2.0


class RecurringWork(ABC):
    """Work that a thread of its own does again and again.

    Args:
        thread_name: the name of the thread.
        first_delay_s: how many seconds after the start it is done first.
        wait: waits for so many seconds, and returns whether it is to end; ``None`` to wait until ``close``.
    """

    def __init__(self, thread_name: str, first_delay_s: float, wait: Callable[[float], bool] | None) -> None:
        self._first_delay_s = first_delay_s
        self._closed = threading.Event()
        self._wait: Callable[[float], bool] = wait or self._closed.wait
        # A daemon: a database that does not answer must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=thread_name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop the thread, if it was started."""
        self._closed.set()
        if self._thread.ident is not None:
            self._thread.join(_CLOSE_TIMEOUT_S)

    @abstractmethod
    def _work(self) -> float:
        """Do it once; return in how many seconds it is to be done again. Raises nothing: the thread would end."""

    def _run(self) -> None:
        delay_s = self._first_delay_s
        while not self._wait(delay_s):
            delay_s = self._work()
