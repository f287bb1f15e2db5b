"""Waking a thread that waits, also from the handler of a signal.

``threading.Event`` is no choice: to set it takes a lock, and the handler may have interrupted the very code that holds
it. What is here is made of operations that are not interrupted.
"""

import queue
import threading
from contextlib import suppress


class Wake:
    """Ends the wait of one thread. ``set`` may be called by any thread, and by the handler of a signal."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        """End the wait, or the next one if nobody waits at the moment."""
        # One call is enough: who takes it looks at everything after that.
        if self._calls.empty():
            self._calls.put(None)

    def clear(self) -> None:
        """Forget the calls so far."""
        with suppress(queue.Empty):
            while True:
                self._calls.get_nowait()

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait for a call, and forget it; ``None`` for as long as it takes."""
        with suppress(queue.Empty):
            self._calls.get(timeout=None if timeout_s is None else min(timeout_s, threading.TIMEOUT_MAX))
