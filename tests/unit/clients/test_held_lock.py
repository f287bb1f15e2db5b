"""Whose a lock is."""

import threading
from concurrent.futures import ThreadPoolExecutor

from heksher.clients.held_lock import is_held_here


def test_a_lock_that_nobody_holds() -> None:
    """Asking does not take it."""
    lock = threading.RLock()
    assert not is_held_here(lock)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lock.acquire, blocking=False).result()


def test_a_lock_that_is_held() -> None:
    """Once or twice, by this thread or by another one."""
    lock = threading.RLock()
    with lock, ThreadPoolExecutor(1) as pool:
        assert is_held_here(lock)
        with lock:
            assert is_held_here(lock)
        assert not pool.submit(is_held_here, lock).result()
        assert is_held_here(lock)
    assert not is_held_here(lock)
