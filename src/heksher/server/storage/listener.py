"""Waiting for what other processes write."""

import threading


class Listener:
    """Waits until another process may have written something.

    This one is told nothing by other processes, so it waits for time and ``interrupt`` only; storages whose database
    tells of writes have one that hears of them.

    Guarantees: each write of another process that the listener hears of ends the current wait, or else the next one, so
    whoever looks at the revision after each wait misses none. It is a hint, never the truth: a wait may end although
    nothing was written, and something may be written that no listener hears of. So give each wait a time.
    ``interrupt`` and ``close`` may be called from any thread, ``wait`` from one at a time.
    """

    def __init__(self) -> None:
        # Set from a reason to end a wait until a wait has ended for it.
        self._has_news = threading.Event()

    def wait(self, timeout_s: float) -> None:
        """Wait until something may have been written, ``interrupt`` was called, or so many seconds are over."""
        self._has_news.wait(timeout_s)
        self._has_news.clear()

    def interrupt(self) -> None:
        """Make the current wait end at once, or the next one if there is none."""
        self._has_news.set()

    def close(self) -> None:
        """Stop listening, and end the current wait. May be called more than once."""
        self.interrupt()
