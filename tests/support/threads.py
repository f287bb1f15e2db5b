"""The threads of heksher that a test has started: those of other tests may not have ended yet."""

import threading

import pytest

from tests.support.waiting import wait_until


class NewThreads:
    """Finds the threads of heksher that have been started since this was made."""

    def __init__(self) -> None:
        self._before = set(threading.enumerate())

    def find(self) -> list[threading.Thread]:
        """Return them in the order of their names."""
        threads = (thread for thread in set(threading.enumerate()) - self._before if thread.name.startswith("heksher"))
        return sorted(threads, key=lambda thread: thread.name)

    def names(self) -> list[str]:
        """Return their names."""
        return [thread.name for thread in self.find()]

    def await_none(self) -> list[str]:
        """Wait until none is left, and return the names of those that are left all the same."""
        wait_until(lambda: not self.find())
        return self.names()


@pytest.fixture
def new_threads() -> NewThreads:
    """The threads that the test starts from now on."""
    return NewThreads()
