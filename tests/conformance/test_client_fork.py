"""What becomes of both clients in a forked child that cannot have what it needs: it is never frozen and current."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from heksher import Setting
from heksher.clients.transport.http_library import ClientSettings
from tests.support.drivers import LONG_S, AsyncDriver, Driver
from tests.support.fake_service import FakeService
from tests.support.processes import in_child
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.trap(9),
    pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning"),
]


def follows(driver: Driver, native, setting: Setting[int], value: int) -> bool:
    """Return whether a client in a child reads a value, and is current again, if the program does what it has to."""
    if not isinstance(driver, AsyncDriver):
        return wait_until(lambda: native.status.state == "current" and setting.get() == value)

    async def start() -> bool:
        await native.set_as_main()
        return native.status.state == "current" and setting.get() == value

    return asyncio.run(start())


def refuse(*_args: object) -> None:
    raise OSError("too many open files")


def test_child_without_connections(
    driver: Driver, service: FakeService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """A child that can have no connections says why, in its status and the log, and follows once it can have some."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service)
    monkeypatch.setattr(ClientSettings, "make_client", refuse)

    def check() -> bool:
        status = client.native.status
        is_told = status.state == "stale" and status.last_error.endswith("forked process: too many open files")
        is_logged = "forked process: too many open files" in caplog.text
        monkeypatch.undo()
        service.set_default("s", 1)
        return is_told and is_logged and follows(driver, client.native, setting, 1)

    assert in_child(check)
    assert "current" == client.native.status.state


def test_child_without_connections_is_closed(driver: Driver, service: FakeService, monkeypatch: pytest.MonkeyPatch):
    """Closing a client there neither touches the connections of the parent nor opens others, and is for good."""
    Setting("s", int, ["a"], 0)
    client = driver.start(service)
    monkeypatch.setattr(ClientSettings, "make_client", refuse)

    def check() -> bool:
        close = getattr(client.native, driver.close_method)
        if isinstance(driver, AsyncDriver):
            asyncio.run(close())
        else:
            close()
        monkeypatch.undo()
        transport = client.native._transport
        with pytest.raises(Exception, match="the client is closed"):
            transport._require_client()
        return client.native.status.state == "closed" and transport._client is None

    assert in_child(check)
    client.reload()


def check_without_threads(
    driver: Driver, service: FakeService, monkeypatch: pytest.MonkeyPatch, ask: Callable[[object], object]
) -> bool:
    """Return whether a child that can start no thread is stale, and follows once it can, if the program asks it."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service)
    start = threading.Thread.start
    is_full = True

    def start_if_possible(thread: threading.Thread) -> None:
        if is_full and thread.name == "heksher":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_if_possible)

    def check() -> bool:
        nonlocal is_full
        before = [client.native.status for _ in range(2)]
        is_full = False
        service.set_default("s", 1)
        ask(client.native)
        return {"stale"} == {status.state for status in before} and follows(driver, client.native, setting, 1)

    return in_child(check)


def test_child_without_threads(driver: Driver, service: FakeService, monkeypatch: pytest.MonkeyPatch):
    """A child that can have no thread says so, and follows once it can have one and is asked for its status."""
    assert check_without_threads(driver, service, monkeypatch, lambda native: native.status)


def test_client_that_was_not_started(driver: Driver, service: FakeService, monkeypatch: pytest.MonkeyPatch):
    """A client that was not started before the fork has not failed by it, and can be started once that is possible."""
    native = driver.client_class(service.url, LONG_S, service.features, http_client_args=service.client_args)
    monkeypatch.setattr(ClientSettings, "make_client", refuse)

    def check() -> bool:
        is_new = native.status.state == "starting"
        monkeypatch.undo()
        setting = Setting("s", int, ["a"], 0)
        service.set_default("s", 1)
        if not isinstance(driver, AsyncDriver):
            native.set_as_main()
        return is_new and follows(driver, native, setting, 1)

    assert in_child(check)
