"""Whose a lock is: for locks that their holder can take again, because a signal may interrupt it anywhere."""

import threading


def is_held_here(lock: "threading.RLock") -> bool:
    """Return whether this thread holds a lock."""
    try:
        # Nobody waits for this condition. Only who holds its lock may say that it is met.
        threading.Condition(lock).notify()
    except RuntimeError:
        return False
    return True
