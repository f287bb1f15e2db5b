"""Ending the wait of a thread."""

import threading

from heksher.clients.wake import Wake
from tests.support.fake_service import DEADLINE_S


def test_a_call_ends_one_wait() -> None:
    """However often it was called, and whether before the wait or during it, one wait ends."""
    wake = Wake()
    for _ in range(3):
        wake.set()
    wake.wait(DEADLINE_S)
    # Nothing is left, so this takes its time.
    wake.wait(0.001)
    threading.Timer(0.001, wake.set).start()
    wake.wait()


def test_calls_can_be_forgotten() -> None:
    """A wait after that takes its time, however long: also longer than a thread can wait."""
    wake = Wake()
    wake.set()
    wake.clear()
    threading.Timer(0.001, wake.set).start()
    wake.wait(float("inf"))
