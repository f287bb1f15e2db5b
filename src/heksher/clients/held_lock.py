"""Whose a lock is: for locks that their holder can take again, because a signal may interrupt it anywhere."""

import threading
from collections.abc import Callable


def is_held_here(lock: "threading.RLock") -> bool:
    """Return whether this thread holds a lock."""
    # threading.Condition asks in the same way, so each lock of this kind has the method, those of gevent, too.
    is_owned: Callable[[], bool] = lock._is_owned  # type: ignore[attr-defined]  # typeshed does not list it
    return is_owned()
