"""One start of a thread client at a time: calls that come meanwhile wait for it, and share its outcome.

There is no lock, because a signal may interrupt a start at any moment, and its handler may call the client, too. Which
call makes the start is decided by one operation on a dictionary, which nothing interrupts.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from heksher.exceptions import ClientStateError

# There is one attempt at a time, so one key.
_PRESENT: Final = "present"


class _Attempt:
    """One start.

    Attributes:
        callers: the threads that make it, or wait for it.
        helpers: the threads that work for it.
        ended: whether it is over.
        is_successful: whether it went well.
        error: why it failed; ``None`` if it did not, or was interrupted (``KeyboardInterrupt``).
    """

    def __init__(self) -> None:
        self.callers = {threading.get_ident()}
        self.helpers: set[int] = set()
        self.ended = threading.Event()
        self.is_successful = False
        self.error: Exception | None = None


class SharedStart:
    """Makes the starts of a client. Thread-safe; everything may be called by the handler of a signal, too."""

    def __init__(self) -> None:
        self._attempts: dict[str, _Attempt] = {}

    @property
    def is_under_way(self) -> bool:
        """Whether there is a start at the moment."""
        return bool(self._attempts)

    def run(self, start: Callable[[], object]) -> None:
        """Run a start, or wait for the one that is under way.

        Raises:
            ClientStateError: this thread is in the midst of a start, so it would wait for itself.
            Exception: what the start raised, whichever call made it.
        """
        own = _Attempt()
        try:
            # Of several threads that set a default at once, one finds its own.
            while (attempt := self._attempts.setdefault(_PRESENT, own)) is not own:
                if _is_shared(attempt):
                    return
            start()
            own.is_successful = True
        except Exception as error:
            own.error = error
            raise
        finally:
            if self._attempts.get(_PRESENT) is own:
                self._attempts.pop(_PRESENT)
            own.ended.set()

    @contextmanager
    def helping(self) -> Iterator[None]:
        """Have this thread work for the start under way, if there is one."""
        attempt, own = self._attempts.get(_PRESENT), threading.get_ident()
        if attempt is not None:
            attempt.helpers.add(own)
        try:
            yield
        finally:
            # Another thread may be given the number of one that has ended.
            if attempt is not None:
                attempt.helpers.discard(own)

    def is_called_here(self) -> bool:
        """Return whether this thread makes a start, or waits for one."""
        attempt = self._attempts.get(_PRESENT)
        return attempt is not None and threading.get_ident() in attempt.callers


def _is_shared(attempt: _Attempt) -> bool:
    """Wait for a start of another call; return whether it had an outcome, which an interrupted one has not."""
    own = threading.get_ident()
    if own in attempt.callers or own in attempt.helpers:
        raise ClientStateError(
            "set_as_main() was called within a start of the same client (by a callback, or the handler of a signal),"
            " which would wait for itself"
        )
    try:
        attempt.callers.add(own)
        attempt.ended.wait()
    finally:
        attempt.callers.discard(own)
    if attempt.error is not None:
        raise attempt.error
    return attempt.is_successful
