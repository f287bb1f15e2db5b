"""Who waits for a database that does not answer, and for how long."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from heksher.server.catalog import catalog as module
from heksher.server.catalog.catalog import Catalog
from heksher.server.storage.storage_errors import StorageUnavailableError
from tests.support.fake_service import DEADLINE_S
from tests.support.held_storage import HeldStorage
from tests.support.storages import write_something
from tests.support.waiting import wait_until

CALLERS = 8


class CountingClock:
    """Stands in for the module ``time``: each look at it is later than the one before, and counted."""

    def __init__(self) -> None:
        self._start_s = time.monotonic()
        self._counting = threading.Lock()
        self.looks = 0

    def monotonic(self) -> float:
        with self._counting:
            self.looks += 1
            return self._start_s + self.looks


@pytest.fixture
def storage() -> HeldStorage:
    return HeldStorage()


@pytest.fixture
def catalog(storage: HeldStorage) -> Catalog:
    """A catalog that has been loaded."""
    catalog = Catalog(storage, 1_000_000)
    catalog.load()
    return catalog


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> CountingClock:
    """The catalog's clock."""
    clock = CountingClock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_state_is_given_while_another_waits(storage: HeldStorage, catalog: Catalog):
    """Whoever is content with the state that there is does not wait for one who looks for news."""
    storage.hold()
    with ThreadPoolExecutor(2) as pool:
        looking = pool.submit(catalog.refresh)
        assert wait_until(lambda: storage.waiting)
        given = pool.submit(catalog.load)
        try:
            assert given.result(DEADLINE_S / 2) is catalog.state
            assert not looking.done()
        finally:
            storage.fail()


def call_at_once(storage: HeldStorage, catalog: Catalog, clock: CountingClock, end: Callable[[], None]) -> list[Future]:
    """Have many callers look for news while the first of them is kept waiting; then end that."""
    storage.hold()
    storage.reads = 0
    with ThreadPoolExecutor(CALLERS) as pool:
        calls = [pool.submit(catalog.refresh)]
        assert wait_until(lambda: storage.waiting)
        calls += [pool.submit(catalog.refresh) for _ in range(CALLERS - 1)]
        # Each looks at the clock when it comes; the one that reads has done so twice.
        assert wait_until(lambda: clock.looks == CALLERS + 1)
        end()
    return calls


def test_failure_is_shared(storage: HeldStorage, catalog: Catalog, clock: CountingClock):
    """Callers that wait for another's look fail with it: they do not wait once more, one after another."""
    calls = call_at_once(storage, catalog, clock, storage.fail)
    assert [StorageUnavailableError] * CALLERS == [type(call.exception()) for call in calls]
    assert 1 == storage.reads


def test_look_is_shared(storage: HeldStorage, catalog: Catalog, clock: CountingClock):
    """Of the callers that come during a look, which may have begun too early for them, one looks for all."""
    calls = call_at_once(storage, catalog, clock, storage.let_go)
    assert [catalog.state] * CALLERS == [call.result() for call in calls]
    assert 2 == storage.reads


def test_each_failure_ends_with_its_callers(storage: HeldStorage, catalog: Catalog):
    """Whoever comes after a failure looks again, so the state moves on when the database is back."""
    storage.hold()
    storage.fail()
    with pytest.raises(StorageUnavailableError):
        catalog.refresh()
    storage.let_go()
    revision = write_something(storage)
    assert revision == catalog.refresh().picture.revision
