"""What all tests of commands have in common."""

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def restore_signals() -> Iterator[None]:
    """``heksher serve`` sets handlers for the process that it thinks is its own."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
