"""The life of both clients: what may be called when, and that nothing hangs, leaks or goes on behind one's back."""

import asyncio
import gc
import threading
import weakref

import httpx2
import pytest

from heksher import Setting, ThreadHeksherClient, main_client
from heksher.clients.conversation.registration import Registration
from heksher.exceptions import ClientStateError
from tests.support.drivers import SHORT_S, DrivenClient, Driver, ThreadDriver
from tests.support.fake_service import DEADLINE_S, DECLARE, HEALTH, QUERY, FakeService, answer, fail, in_turn

pytestmark = pytest.mark.trap(22)


@pytest.fixture(autouse=True)
def short_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the thread client wait only a moment for a request that hangs."""
    monkeypatch.setattr("heksher.clients.update_thread.CLOSE_TIMEOUT_S", SHORT_S)


def test_close_ends_the_updates(driver: Driver, service: FakeService):
    """After close nothing runs and nothing is asked; the settings keep their values."""
    setting = Setting("s", int, ["a"], 0)
    service.set_default("s", 1)
    client = driver.start(service, interval_s=SHORT_S)
    service.await_calls(QUERY, 3)
    client.close()
    calls = len(service.calls)
    assert [] == driver.find_leftovers()
    assert (1, calls) == (setting.get(), len(service.calls))


def test_close_twice(driver: Driver, service: FakeService):
    """Closing a closed client does nothing."""
    client = driver.start(service)
    client.close()
    client.close()
    assert main_client.get() is None


def test_close_before_the_start(driver: Driver, service: FakeService):
    """A client that was never started can be closed."""
    client = driver.create(service)
    client.close()
    with pytest.raises(ClientStateError):
        client.start()
    assert [] == service.calls


def test_close_after_a_failed_start(driver: Driver, service: FakeService):
    """A client whose start failed can be closed, and is closed then."""
    client = driver.create(service, on_start_failure="raise")
    with service.behaving(QUERY, answer(500)), pytest.raises(httpx2.HTTPError):
        client.start()
    client.close()
    with pytest.raises(ClientStateError):
        client.start()


def test_close_while_the_start_is_tried_again(driver: Driver, service: FakeService):
    """A client that goes on after a failed start can be closed at any time."""
    client = driver.create(service, on_start_failure="continue", interval_s=SHORT_S)
    with service.behaving(QUERY, answer(500)):
        client.start()
        service.await_calls(QUERY, 3)
        client.close()
    assert [] == driver.find_leftovers()


@pytest.mark.parametrize("method", ["reload", "ping", "get_settings"])
def test_calls_after_close_are_errors(driver: Driver, service: FakeService, method: str):
    """A closed client says so, instead of hanging or opening connections again."""
    client = driver.start(service)
    client.close()
    calls = list(service.calls)
    with pytest.raises(ClientStateError, match="closed; create a new one"):
        client.call(method)
    assert calls == service.calls


def test_reload_before_the_start_is_an_error(driver: Driver, service: FakeService):
    """A client that was not started says what to do first."""
    client = driver.create(service)
    with pytest.raises(ClientStateError, match=r"call set_as_main\(\) first"):
        client.reload()


@pytest.mark.parametrize("mode", ["raise", "continue"])
def test_reload_after_a_failed_start(driver: Driver, service: FakeService, mode: str):
    """Reload after a failed start is an error if nothing runs, and an update if the client went on."""
    client = driver.create(service, on_start_failure=mode)
    with service.behaving(QUERY, answer(500)):
        start = client.begin("set_as_main")
        assert (mode == "raise") == isinstance(start.exception(DEADLINE_S), httpx2.HTTPError)
    if mode == "raise":
        with pytest.raises(ClientStateError):
            client.reload()
    else:
        client.reload()


@pytest.mark.trap(25)
def test_ping_needs_no_start(driver: Driver, service: FakeService):
    """A client can look whether the service is there before its start, and after a failed one."""
    client = driver.create(service, on_start_failure="raise")
    client.ping()
    with service.behaving(QUERY, answer(500)), pytest.raises(httpx2.HTTPError):
        client.start()
    client.ping()
    assert 2 == len(service.asked(HEALTH))


@pytest.mark.trap(25)
@pytest.mark.parametrize(
    "behaviour",
    [answer(500), answer(404), answer(302), answer(200, "<html>"), answer(200, []), fail(httpx2.ConnectError("no"))],
    ids=["500", "404", "redirect", "HTML", "no object", "unreachable"],
)
def test_ping_raises_unless_the_service_is_healthy(driver: Driver, service: FakeService, behaviour):
    """Whatever is not the answer of a healthy service is an ``httpx.HTTPError``."""
    client = driver.create(service)
    with service.behaving(HEALTH, behaviour), pytest.raises(httpx2.HTTPError):
        client.ping()


@pytest.mark.trap(25)
def test_no_call_makes_an_http_client_of_its_own(driver: Driver, service: FakeService, monkeypatch: pytest.MonkeyPatch):
    """All requests of a heksher client go through one HTTP client, which close closes."""
    made: list[weakref.ref] = []
    name = "AsyncClient" if driver.kind == "async" else "Client"
    native_class = getattr(httpx2, name)

    class CountedClient(native_class):
        def __init__(self, **kwargs) -> None:
            made.append(self)
            super().__init__(**kwargs)

    monkeypatch.setattr(httpx2, name, CountedClient)
    client = driver.start(service)
    for _ in range(3):
        client.ping()
        client.get_settings()
        client.reload()
    client.close()
    assert [True] == [native.is_closed for native in made]


def test_a_failed_start_closes_its_connections(driver: Driver, service: FakeService, monkeypatch: pytest.MonkeyPatch):
    """After a failed start, and after close, no HTTP client that was used is open."""
    made: list = []
    name = "AsyncClient" if driver.kind == "async" else "Client"
    native_class = getattr(httpx2, name)

    class CountedClient(native_class):
        def __init__(self, **kwargs) -> None:
            made.append(self)
            super().__init__(**kwargs)

    monkeypatch.setattr(httpx2, name, CountedClient)
    client = driver.create(service, on_start_failure="raise")
    with service.behaving(QUERY, answer(500)), pytest.raises(httpx2.HTTPError):
        client.start()
    assert [True] == [native.is_closed for native in made[:1]]
    client.start()
    client.close()
    assert all(native.is_closed for native in made)


def test_clients_that_come_and_go_leave_nothing_behind(driver: Driver, service: FakeService):
    """What a client knew of a setting ends with the client, however long the setting lives."""

    def count() -> int:
        gc.collect()
        return sum(isinstance(thing, Registration) for thing in gc.get_objects())

    setting = Setting("s", int, ["a"], 0)
    before = count()
    for _ in range(3):
        driver.start(service).close()
    assert (before, 0) == (count(), setting.get())


# ---- while a request hangs


@pytest.mark.trap(26)
def test_close_during_a_hanging_update(driver: Driver, service: FakeService):
    """Close does not wait for a service that does not answer, and its late answer changes nothing."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service, interval_s=SHORT_S)
    service.set_default("s", 1)
    with service.holding(QUERY) as gate:
        gate.await_requests()
        client.close()
        client.native.outcomes = None  # a callback after close would fail on it
        gate.open()
    assert [] == driver.find_leftovers()
    assert setting.get() in {0, 1}


@pytest.mark.trap(26)
def test_nothing_is_asked_after_close(driver: Driver, service: FakeService):
    """An update that hangs when its client is closed does not go on with its next request."""
    client = driver.start(service)
    with service.holding(DECLARE) as gate:
        setting = Setting("s", int, ["a"], 0)
        gate.await_requests()
        client.close()
        calls = list(service.calls)
        gate.open()
        assert [] == driver.find_leftovers()
    assert (calls, 0) == (service.calls, setting.get())


@pytest.mark.parametrize("mode", ["raise", "continue"])
def test_close_during_a_hanging_start(driver: Driver, service: FakeService, mode: str):
    """A client that is closed while it starts ends its start with an error, stays closed, and leaves nothing."""
    client = driver.create(service, on_start_failure=mode)
    with service.holding(QUERY) as gate:
        start = client.begin("set_as_main")
        gate.await_requests()
        client.close()
        gate.open()
        assert isinstance(start.exception(DEADLINE_S), ClientStateError)
    assert main_client.get() is None
    assert [] == driver.find_leftovers()
    with pytest.raises(ClientStateError):
        client.start()


def test_the_start_of_a_thread_client_ends_with_close(service: FakeService, own_process: None):
    """The thread that starts a client does not wait for a request that hangs when another thread closes the client."""
    driver = ThreadDriver()
    client = driver.create(service)
    with service.holding(QUERY) as gate:
        start = client.begin("set_as_main")
        gate.await_requests()
        client.close()
        assert isinstance(start.exception(DEADLINE_S), ClientStateError)
        gate.open()
        assert [] == driver.find_leftovers()


def test_close_during_a_hanging_reload(driver: Driver, service: FakeService):
    """A reload whose client is closed meanwhile says so; it tells no callback, and asks nothing further."""
    client = driver.start(service)
    client.await_success()
    with service.holding(QUERY) as gate:
        reload = client.begin("reload")
        gate.await_requests()
        client.close()
        gate.open()
        assert isinstance(reload.exception(DEADLINE_S), ClientStateError)
    assert client.native.outcomes.empty()


def test_a_reload_that_waits_for_another_one_ends_with_close(driver: Driver, service: FakeService):
    """Calls that queue up behind a hanging update end, too, when the client is closed."""
    client = driver.start(service)
    with service.holding(QUERY) as gate:
        reloads = [client.begin("reload") for _ in range(3)]
        gate.await_requests()
        client.close()
        queries = len(service.queries())
        gate.open()
        assert [ClientStateError] * 3 == [type(reload.exception(DEADLINE_S)) for reload in reloads]
    assert queries == len(service.queries())


def test_start_twice_at_once(driver: Driver, service: FakeService):
    """Of two starts at the same time one starts; there is one background task or thread."""
    client = driver.create(service)
    with service.holding(QUERY) as gate:
        starts = [client.begin("set_as_main") for _ in range(2)]
        gate.await_requests()
        gate.open()
        assert [None, None] == [start.exception(DEADLINE_S) for start in starts]
    assert 1 == len(service.queries())


def test_close_twice_at_once(driver: Driver, service: FakeService):
    """Several closes at the same time all come to their end."""
    client = driver.start(service, interval_s=SHORT_S)
    with service.holding(QUERY) as gate:
        gate.await_requests()
        closes = [client.begin_close() for _ in range(3)]
        assert [None] * 3 == [close.exception(DEADLINE_S) for close in closes]


def test_a_callback_may_close_the_client(driver: Driver, service: FakeService):
    """A program may give up on the service in ``on_update_error``."""
    closed: list = []

    class GivesUp(driver.client_class):
        def on_update_error(self, exc: Exception) -> None:
            if driver.kind == "async":
                closed.append(asyncio.get_running_loop().create_task(self.aclose()))
            else:
                self.close()
                closed.append(self)

    client = driver.start(service, client_class=GivesUp, interval_s=SHORT_S)
    with service.behaving(QUERY, answer(500)):
        service.await_calls(QUERY, len(service.queries()) + 1)
        assert [] == _wait_for_end(driver, client)
    assert 1 == len(closed)


def test_a_callback_may_reload(driver: Driver, service: FakeService):
    """A program may try again at once in ``on_update_error``."""
    reloads: list = []

    class TriesAgain(driver.client_class):
        def on_update_error(self, exc: Exception) -> None:
            reload = self.reload()
            reloads.append(asyncio.get_running_loop().create_task(reload) if driver.kind == "async" else reload)

    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service, client_class=TriesAgain)
    service.set_default("s", 1)
    with (
        service.behaving(QUERY, in_turn(answer(500), service.usual(QUERY))),
        pytest.raises(httpx2.HTTPStatusError),
    ):
        client.reload()
    service.await_calls(QUERY, 3)
    client.reload()
    assert (1, 1) == (setting.get(), len(reloads))


def test_a_start_without_a_thread_is_undone(service: FakeService, own_process: None, monkeypatch: pytest.MonkeyPatch):
    """A process that can have no more threads gets the error, and the client can be started later."""
    client = ThreadHeksherClient(service.url, 60, service.features, http_client_args=service.client_args)

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as context:
        context.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            client.set_as_main()
    assert main_client.get() is None
    with client:
        assert client is main_client.get()


def _wait_for_end(driver: Driver, client: DrivenClient) -> list[str]:
    if driver.kind == "async":
        task = client.native._task
        driver.run(asyncio.wait, [task])
    return driver.find_leftovers()


def test_what_a_shell_shows_of_a_client(driver: Driver, service: FakeService):
    """A client shows where its service is, without credentials, how it is doing, and how many settings it has."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.create(service, url=service.url.replace("://", "://mia:s3cret@"))
    shown = f"<{type(client.native).__name__} of {service.url}: "
    assert f"{shown}starting, 0 settings>" == repr(client.native)
    client.start()
    assert f"{shown}current, 1 setting>" == repr(client.native)
    client.close()
    assert (f"{shown}closed, 0 settings>", 0) == (repr(client.native), setting.get())
