"""One start at a time: what calls that come meanwhile get. The conformance suite has what that means for clients."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from heksher.clients.shared_start import SharedStart
from heksher.exceptions import ClientStateError
from tests.support.fake_service import DEADLINE_S
from tests.support.waiting import wait_until


def test_calls_one_after_the_other() -> None:
    """Each call makes a start of its own when there is none, and its error is the caller's."""
    shared = SharedStart()
    calls: list[bool] = []
    for _ in range(2):
        shared.run(lambda: calls.append(shared.is_under_way))
    with pytest.raises(ZeroDivisionError):
        shared.run(lambda: calls.append(bool(1 / 0)))
    assert ([True, True], False) == (calls, shared.is_under_way)


def test_a_start_within_itself() -> None:
    """A start that asks for itself is an error at once, in the calling thread and in one that works for it."""
    shared = SharedStart()

    def start_again() -> None:
        with pytest.raises(ClientStateError, match="wait for itself"):
            shared.run(lambda: None)

    def help_and_start_again() -> None:
        with shared.helping():
            start_again()

    def start() -> None:
        assert shared.is_called_here()
        start_again()
        helper = threading.Thread(target=help_and_start_again)
        helper.start()
        helper.join()

    shared.run(start)
    # There is nothing to work for any more.
    with shared.helping():
        assert not shared.is_called_here()


def test_a_number_that_a_thread_has_left() -> None:
    """A thread that has worked for a start does so no more: its number may be another's, who waits like others."""
    shared = SharedStart()

    def start() -> None:
        with shared.helping():
            pass
        (attempt,) = shared._attempts.values()
        assert set() == attempt.helpers

    shared.run(start)


def test_a_start_that_is_interrupted() -> None:
    """A call that waits for a start which ends without an outcome makes one of its own."""
    shared = SharedStart()
    is_held = threading.Event()
    made: list[str] = []

    def be_interrupted() -> None:
        is_held.wait(DEADLINE_S)
        raise KeyboardInterrupt

    with ThreadPoolExecutor() as threads:
        first = threads.submit(shared.run, be_interrupted)
        assert wait_until(lambda: shared.is_under_way)
        second = threads.submit(shared.run, lambda: made.append("second"))
        (attempt,) = shared._attempts.values()
        assert wait_until(lambda: len(attempt.callers) == 2)
        is_held.set()
        assert isinstance(first.exception(DEADLINE_S), KeyboardInterrupt)
        second.result(DEADLINE_S)
    assert ["second"] == made
