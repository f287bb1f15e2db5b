"""Waiting for what nothing tells of: the one place where tests look again and again until something holds."""

import time
from collections.abc import Callable

from tests.support.fake_service import DEADLINE_S

POLL_S = 0.005


def wait_until(condition: Callable[[], object], deadline_s: float = DEADLINE_S, poll_s: float = POLL_S) -> bool:
    """Wait until something holds, or for so many seconds; return whether it holds."""
    end_s = time.perf_counter() + deadline_s
    while not (is_met := bool(condition())) and time.perf_counter() < end_s:
        time.sleep(poll_s)
    return is_met
