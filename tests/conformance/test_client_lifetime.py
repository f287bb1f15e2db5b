"""What is left of both clients when they are dropped, forgotten, or in a process that was forked."""

import gc
import warnings
import weakref
from collections.abc import Callable

import pytest

from heksher import Setting, main_client
from tests.support.drivers import LONG_S, AsyncDriver, Driver
from tests.support.fake_service import DEADLINE_S, QUERY, FakeService
from tests.support.processes import in_child
from tests.support.threads import NewThreads
from tests.support.waiting import wait_until


def wait_for(condition: Callable[[], bool]) -> bool:
    """Wait until something holds that may take the garbage collector."""

    def is_met() -> bool:
        gc.collect()
        return condition()

    return wait_until(is_met)


def make_forgotten(driver: Driver, service: FakeService) -> "weakref.ref[object]":
    """Start a client that is replaced as main client, and then dropped without being closed."""
    first = driver.client_class(service.url, LONG_S, service.features, http_client_args=service.client_args)
    driver.run(first.set_as_main)
    driver.start(service)
    return weakref.ref(first)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_forgotten_client_is_collected(driver: Driver, service: FakeService, new_threads: NewThreads):
    """A client that is no longer main and that nobody holds goes away, and its thread or task with it."""
    reference = make_forgotten(driver, service)
    assert wait_for(lambda: reference() is None)
    assert wait_for(lambda: new_threads.names().count("heksher") <= 1)


@pytest.mark.filterwarnings("default::ResourceWarning")
def test_a_forgotten_client_is_warned_of(driver: Driver, service: FakeService):
    """A client that was not closed is a ResourceWarning, as a file would be."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make_forgotten(driver, service)
        # A recorded warning holds the client that it is about.
        assert wait_for(lambda: any("was not closed" in str(warning.message) for warning in caught))
    assert {ResourceWarning} == {warning.category for warning in caught if "closed" in str(warning.message)}


def test_a_closed_client_is_collected_in_silence(driver: Driver, service: FakeService):
    """Closed and dropped, a client leaves nothing, and nothing is said of it."""
    client = driver.client_class(service.url, LONG_S, service.features, http_client_args=service.client_args)
    driver.run(client.set_as_main)
    driver.run(getattr(client, driver.close_method))
    reference = weakref.ref(client)
    del client
    assert wait_for(lambda: reference() is None)


def test_the_main_client_is_kept(driver: Driver, service: FakeService):
    """A program need not hold its main client."""
    client = driver.client_class(service.url, LONG_S, service.features, http_client_args=service.client_args)
    driver.run(client.set_as_main)
    reference = weakref.ref(client)
    del client
    gc.collect()
    assert reference() is main_client.get()
    driver.run(getattr(main_client.get(), driver.close_method))


def test_settings_are_collected(driver: Driver, service: FakeService):
    """A setting that is dropped is gone at once, also while a client follows it and functions are subscribed."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service)
    client.native.on_change(lambda _change: None)
    setting.on_change(lambda _change: None)
    reference = weakref.ref(setting)
    del setting
    gc.collect()
    assert reference() is None


@pytest.mark.trap(9)
@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_a_forked_child_keeps_answering(driver: Driver, service: FakeService):
    """In a child every setting answers what it did, whoever held which lock in the parent.

    The asynchronous client, which nothing updates there before it is started again, does not call itself current.
    """
    state = "stale" if isinstance(driver, AsyncDriver) else "current"
    setting = Setting("s", int, ["a"], 0)
    service.add_rule("s", 1, 5, a="x")
    client = driver.start(service)
    with client.native._switching.lock, main_client._lock:
        assert in_child(
            lambda: (
                setting.get(a="x") == 5
                and Setting("new", int, ["a"], 7).get() == 7
                and client.native.snapshot().get(setting, a="x") == 5
                and client.native.status.state == state
            )
        )


@pytest.mark.trap(9)
@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_a_fork_in_the_middle_of_an_update(driver: Driver, service: FakeService):
    """The child neither waits for the parent's update nor disturbs it."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service)
    service.set_default("s", 1)
    with service.holding(QUERY) as gate:
        reload = client.begin("reload")
        gate.await_requests()
        assert in_child(lambda: setting.get() == 0 and client.native._switching.lock.acquire(blocking=False))
    reload.result(DEADLINE_S)
    assert 1 == setting.get()
