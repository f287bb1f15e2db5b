"""What only the asynchronous client has: cancellation, an event loop that may end, and a deprecated name."""

import asyncio
import threading
from concurrent.futures import CancelledError

import pytest

from heksher import AsyncHeksherClient, Setting, main_client
from tests.support.drivers import AsyncDriver
from tests.support.fake_service import DEADLINE_S, DECLARE, QUERY, FakeService


@pytest.fixture
def async_driver(own_process: None):
    """A driver of asynchronous clients."""
    driver = AsyncDriver()
    yield driver
    driver.stop()


@pytest.mark.trap(26)
def test_cancelling_aclose_is_not_swallowed(async_driver: AsyncDriver, service: FakeService):
    """A task that is cancelled in ``aclose`` ends as cancelled, and the connections are closed all the same."""

    async def close_and_cancel(client: AsyncHeksherClient) -> tuple[bool, bool]:
        closing = asyncio.create_task(client.aclose())
        # Lets aclose run up to where it waits.
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        return closing.cancelled(), client._transport._client.native.is_closed

    client = async_driver.start(service)
    assert (True, True) == async_driver.run(close_and_cancel, client.native)
    assert [] == async_driver.find_leftovers()


def test_a_cancelled_start_is_undone(async_driver: AsyncDriver, service: FakeService):
    """A start that is cancelled raises the cancellation, leaves nothing, and may be repeated."""
    client = async_driver.create(service)
    with service.holding(QUERY) as gate:
        start = client.begin("set_as_main")
        gate.await_requests()
        start.cancel()
        with pytest.raises(CancelledError):
            start.result(DEADLINE_S)
    assert [] == async_driver.find_leftovers()
    assert main_client.get() is None
    client.start()
    assert client.native is main_client.get()


def test_a_start_that_waits_for_a_cancelled_one(async_driver: AsyncDriver, service: FakeService):
    """A start that comes to no outcome, as its task is cancelled, is made by the next call that waits for it."""
    client = async_driver.create(service)
    with service.holding(QUERY) as gate:
        first = client.begin("set_as_main")
        gate.await_requests()
        second = client.begin("set_as_main")
        async_driver.run(asyncio.sleep, 0)
        first.cancel()
        gate.open()
        assert second.exception(DEADLINE_S) is None
    assert client.native is main_client.get()


def test_a_start_that_waits_for_one_in_another_loop(async_driver: AsyncDriver, service: FakeService):
    """A call from another loop waits for the start under way, too; the client lives in the first loop."""
    setting = Setting("s", int, ["a"], 0)
    service.set_default("s", 1)
    client = async_driver.create(service)

    async def start_here() -> int:
        start = asyncio.create_task(client.native.set_as_main())
        await asyncio.sleep(0)
        gate.open()
        await start
        return setting.get()

    with service.holding(QUERY) as gate:
        first = client.begin("set_as_main")
        gate.await_requests()
        assert 1 == asyncio.run(start_here())
        assert first.exception(DEADLINE_S) is None
    client.reload()


def test_a_cancelled_reload_leaves_the_updates_alone(async_driver: AsyncDriver, service: FakeService):
    """A program that gives up waiting for a reload ends this reload only."""
    setting = Setting("s", int, ["a"], 0)
    client = async_driver.start(service)
    with service.holding(QUERY) as gate:
        reload = client.begin("reload")
        gate.await_requests()
        reload.cancel()
    service.set_default("s", 1)
    client.reload()
    assert 1 == setting.get()


def test_a_reload_cancelled_with_a_new_setting_on_its_way(async_driver: AsyncDriver, service: FakeService):
    """A setting that the cancelled reload was to declare is declared all the same."""
    client = async_driver.start(service)
    with service.holding(DECLARE) as gate:
        reload = client.begin("reload")
        setting = Setting("s", int, ["a"], 0)
        gate.await_requests()
        reload.cancel()
    service.await_calls(QUERY, 2)
    assert setting.name in service.declared()


def test_a_client_outlives_its_event_loop(service: FakeService, own_process: None):
    """A client whose loop has ended can be closed on another one."""
    client = AsyncHeksherClient(service.url, 100, service.features, http_client_args=service.client_args)
    asyncio.run(client.set_as_main())
    asyncio.run(client.aclose())
    assert main_client.get() is None


def test_close_is_deprecated_for_the_async_client(async_driver: AsyncDriver, service: FakeService):
    """``close`` of the asynchronous client warns and does what ``aclose`` does."""
    client = async_driver.start(service)
    with pytest.warns(DeprecationWarning, match="use aclose"):
        client.call("close")
    assert main_client.get() is None


def test_a_setting_created_without_a_loop(async_driver: AsyncDriver, service: FakeService):
    """A setting that another thread creates is declared by the running asynchronous client."""
    client = async_driver.start(service)
    created: list[Setting[int]] = []
    thread = threading.Thread(target=lambda: created.append(Setting("s", int, ["a"], 0)))
    thread.start()
    thread.join()
    service.await_calls(DECLARE)
    client.reload()
    assert ["s"] == service.declared()
