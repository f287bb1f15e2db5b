"""Waiting for writes of other processes."""

import threading


class Listener:
    """Waits until another process may have written something.

    This base class receives nothing from other processes, so only the timeout and ``interrupt`` end a wait; storages
    whose database announces writes have a subclass that receives them.

    Guarantees: each write of another process that the listener receives ends the current wait, or else the next one, so
    a caller that looks at the revision after each wait misses none. A wait is only a hint: it may end although nothing
    was written, and something may be written that no listener receives. So give each wait a timeout.
    ``interrupt`` and ``close`` may be called from any thread, ``wait`` from one at a time.
    """

    def __init__(self) -> None:
        # Set when there is a reason to end a wait; cleared when a wait has ended for it.
        self._has_news = threading.Event()

    def wait(self, timeout_s: float) -> None:
        """Wait until something may have been written, ``interrupt`` is called, or the timeout has passed."""
        self._has_news.wait(timeout_s)
        self._has_news.clear()

    def interrupt(self) -> None:
        """End the current wait at once, or the next one if there is none."""
        self._has_news.set()

    def close(self) -> None:
        """Stop listening, and end the current wait. May be called more than once."""
        self.interrupt()
