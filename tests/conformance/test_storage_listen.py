"""What every storage guarantees of listeners; whether one hears of writes depends on the database."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from heksher.server.storage.base import Storage
from heksher.server.storage.listener import Listener
from tests.support.storages import Place, write_something

# So long that only a wait that nothing ends lasts as long.
PATIENCE_S = 60.0


@pytest.fixture
def listener(storage: Storage) -> Iterator[Listener]:
    """A listener on an open storage, which has begun to listen."""
    listener = storage.listen()
    # One that hears of writes ends the first wait when it begins; any other needs no time for that.
    listener.wait(2.0)
    yield listener
    listener.close()


def test_wait_ends_in_time(listener: Listener) -> None:
    """A wait that nothing ends lasts its time."""
    begin = time.perf_counter()
    listener.wait(0.05)
    assert 0.04 < time.perf_counter() - begin < PATIENCE_S


def test_interrupt_ends_the_next_wait(listener: Listener) -> None:
    """An interruption that nobody waits for is kept, any number of them as one."""
    for _ in range(2):
        listener.interrupt()
        listener.interrupt()
        begin = time.perf_counter()
        listener.wait(PATIENCE_S)
        assert time.perf_counter() - begin < PATIENCE_S / 2
    begin = time.perf_counter()
    listener.wait(0.05)
    assert time.perf_counter() - begin > 0.04


@pytest.mark.parametrize("end", [Listener.interrupt, lambda listener: listener.close()], ids=["interrupt", "close"])
def test_ends_a_wait_from_another_thread(listener: Listener, end: object) -> None:
    """A thread that waits goes on when another one interrupts or closes the listener."""
    assert callable(end)
    is_waiting = threading.Event()

    def wait() -> float:
        begin = time.perf_counter()
        is_waiting.set()
        listener.wait(PATIENCE_S)
        return time.perf_counter() - begin

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait)
        is_waiting.wait()
        end(listener)
        assert waiting.result() < PATIENCE_S / 2


def test_listeners_may_be_several(place: Place, storage: Storage) -> None:
    """Each call gives a listener of its own, and writing goes on with any number of them, closed ones too."""
    listeners = [storage.listen() for _ in range(3)]
    for listener in listeners:
        write_something(storage)
        listener.close()
        listener.close()
    assert 4 == write_something(storage)


def test_listening_needs_no_open_storage(place: Place) -> None:
    """Before the storage can be opened, and after it was closed, a listener waits, and is woken."""
    storage = place.connect()
    for _ in range(2):
        listener = storage.listen()
        listener.interrupt()
        begin = time.monotonic()
        listener.wait(PATIENCE_S)
        assert time.monotonic() - begin < PATIENCE_S / 2
        listener.close()
        storage.open()
        storage.close()


def test_says_how_often_to_look(storage: Storage) -> None:
    """As listeners may miss writes, each storage says how often to look for some: at least once a second."""
    assert 0 < storage.poll_interval_s <= 1
