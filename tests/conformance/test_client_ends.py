"""Clients that nothing updates any more, without having been closed: they say so, and can be brought back."""

import asyncio
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from heksher import AsyncHeksherClient, Setting, ThreadHeksherClient
from heksher.clients.wake import Wake
from heksher.exceptions import ClientStateError
from tests.support.drivers import AsyncDriver
from tests.support.event_streams import StreamingService
from tests.support.fake_service import DEADLINE_S, QUERY, FakeService
from tests.support.waiting import wait_until

# What an error at once takes at most, on a busy machine.
AT_ONCE_S = 5.0


@pytest.fixture
def async_driver(own_process: None) -> Iterator[AsyncDriver]:
    """A driver of asynchronous clients."""
    driver = AsyncDriver()
    yield driver
    driver.stop()


@pytest.fixture
def streams(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> Iterator[StreamingService]:
    """A service with streams, which clients open at once."""
    monkeypatch.setattr("heksher.clients.conversation.stream_policy.FIRST_DELAYS_S", (0.0, 0.0))
    with StreamingService(service) as streams:
        yield streams


@pytest.fixture
def stopped_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs only when the test has it run, and is not closed before the test's end."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def make_client(service: FakeService) -> AsyncHeksherClient:
    return AsyncHeksherClient(service.url, 3600, service.features, http_client_args=service.client_args)


def count_told(caplog: pytest.LogCaptureFixture) -> int:
    """Count the warnings that a client is not updated any more."""
    return sum(
        "not updated any more" in record.getMessage() for record in caplog.records if record.levelno == logging.WARNING
    )


def run_soon(action: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in a loop of its own; fail if it does not end."""

    async def run() -> Any:
        async with asyncio.timeout(AT_ONCE_S):
            return await action

    return asyncio.run(run())


def end_task(driver: AsyncDriver, task: asyncio.Task) -> None:
    """Cancel a task of a client, as a program does that cancels all that it finds, and wait for its end."""

    async def cancel() -> None:
        task.cancel()
        await asyncio.wait([task])

    driver.run(cancel)


# ---- the asynchronous client


@pytest.mark.usefixtures("own_process")
def test_a_loop_that_is_closed(service: FakeService, caplog: pytest.LogCaptureFixture):
    """After its loop the client is not current, warns once of that, and starts again in another loop."""
    setting = Setting("s", int, ["a"], 0)
    client = make_client(service)
    asyncio.run(client.set_as_main())
    states = [client.status.state for _ in range(2)]
    assert (["stale"] * 2, 1) == (states, count_told(caplog))
    service.set_default("s", 1)

    async def go_on() -> str:
        await client.set_as_main()
        state = client.status.state
        await client.aclose()
        return state

    assert ("current", 1) == (asyncio.run(go_on()), setting.get())


@pytest.mark.usefixtures("own_process")
def test_a_loop_that_is_closed_without_ending_its_tasks(
    streams: StreamingService, service: FakeService, caplog: pytest.LogCaptureFixture
):
    """Where nothing tells the client of the end, its status says it all the same, and that there is no stream."""
    client = AsyncHeksherClient(streams.url, 3600, ["a", "b", "c"], http_client_args={"trust_env": False})
    loop = asyncio.new_event_loop()
    loop.run_until_complete(client.set_as_main())
    # It asks once when the stream has opened, and then not for minutes.
    assert loop.run_until_complete(asyncio.to_thread(wait_until, lambda: _is_following(client, service)))
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        # Such a loop leaves them as they are; that is not what this test is about.
        task._log_destroy_pending = False
    # No socket is left open, and no task opens another one: in the loop's last round only connections end.
    for transport in list(loop._transports.values()):
        transport.abort()
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    status = client.status
    assert ("stale", False, 1) == (status.state, status.is_streaming, count_told(caplog))
    assert "set_as_main()" in status.last_error
    run_soon(client.aclose())


@pytest.mark.parametrize("method", ["reload", "set_as_main"])
def test_an_update_task_that_is_cancelled(
    async_driver: AsyncDriver, service: FakeService, caplog: pytest.LogCaptureFixture, method: str
):
    """A client whose task the program has cancelled is stale, tells of it once, and is brought back by either call."""
    setting = Setting("s", int, ["a"], 0)
    client = async_driver.start(service)
    states: list[str] = []
    client.native.on_status_change(lambda status: states.append(status.state))
    end_task(async_driver, client.native._task)
    assert ("stale", 1) == (client.native.status.state, count_told(caplog))
    assert "cancelled" in client.native.status.last_error
    service.set_default("s", 1)
    client.call(method)
    # Subscribers are told after the status says so.
    assert wait_until(lambda: states == ["stale", "current"])
    assert (1, "current", False) == (setting.get(), client.native.status.state, client.native._task.done())
    assert 1 == count_told(caplog)


def test_a_stream_task_that_is_cancelled(async_driver: AsyncDriver, streams: StreamingService, service: FakeService):
    """The client says at once that it has no stream, polls in its interval, and has a stream again with an update."""
    client = async_driver.start(service, url=streams.url, http_client_args={"trust_env": False}, interval_s=60)
    assert wait_until(lambda: client.native.status.is_streaming)
    end_task(async_driver, client.native._stream_runner.task)
    assert not client.native.status.is_streaming
    assert async_driver.run(client.native._schedule.remaining, asyncio.run(_now())) <= 60
    client.reload()
    assert wait_until(lambda: client.native.status.is_streaming)


def _is_following(client: AsyncHeksherClient, service: FakeService) -> bool:
    is_idle = client._schedule.remaining(time.monotonic()) > 60
    return client.status.is_streaming and len(service.asked(QUERY)) > 1 and is_idle


async def _now() -> float:
    # That of time.monotonic, as loops have it.
    return asyncio.get_running_loop().time()


@pytest.mark.usefixtures("own_process")
@pytest.mark.parametrize("method", ["set_as_main", "reload", "ping", "get_settings"])
def test_a_loop_that_is_stopped(service: FakeService, stopped_loop: asyncio.AbstractEventLoop, method: str):
    """From another loop calls say at once that the client's loop does not run; once it does, they work again."""
    client = make_client(service)
    stopped_loop.run_until_complete(client.set_as_main())
    with pytest.raises(ClientStateError, match="does not run"):
        run_soon(getattr(client, method)())
    assert "stale" == client.status.state

    async def go_on() -> str:
        await getattr(client, method)()
        await client.reload()
        return client.status.state

    assert "current" == stopped_loop.run_until_complete(go_on())
    stopped_loop.run_until_complete(client.aclose())


@pytest.mark.usefixtures("own_process")
def test_a_loop_that_stops_during_a_call(service: FakeService):
    """A call from another loop ends with an error when the client's loop stops before it has done it."""
    client = make_client(service)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(client.set_as_main(), loop).result(DEADLINE_S)
    with service.holding(QUERY) as gate:

        async def reload_and_stop() -> None:
            reload = asyncio.create_task(client.reload())
            await asyncio.to_thread(gate.await_requests)
            loop.call_soon_threadsafe(loop.stop)
            await reload

        with pytest.raises(ClientStateError, match="does not run"):
            run_soon(reload_and_stop())
        gate.open()
    thread.join(DEADLINE_S)
    loop.run_until_complete(client.aclose())
    loop.close()


@pytest.mark.usefixtures("own_process")
def test_closing_from_another_loop_while_the_first_is_stopped(
    service: FakeService, stopped_loop: asyncio.AbstractEventLoop
):
    """``aclose`` comes to its end, and the client is closed."""
    client = make_client(service)
    stopped_loop.run_until_complete(client.set_as_main())
    run_soon(client.aclose())
    assert "closed" == client.status.state


@pytest.mark.usefixtures("own_process")
def test_closing_with_an_open_stream_while_the_loop_is_stopped(
    streams: StreamingService, stopped_loop: asyncio.AbstractEventLoop
):
    """So it does where a stream is open, which nobody reads any more."""
    client = AsyncHeksherClient(streams.url, 3600, ["a", "b", "c"], http_client_args={"trust_env": False})
    stopped_loop.run_until_complete(client.set_as_main())
    stopped_loop.run_until_complete(asyncio.to_thread(wait_until, lambda: client.status.is_streaming))
    assert not client.status.is_streaming
    run_soon(client.aclose())
    assert "closed" == client.status.state


@pytest.mark.usefixtures("own_process")
def test_ping_in_a_loop_of_its_own_each_time(streams: StreamingService):
    """Before the start, and after the client's loop, each call may come from a new loop, closed after it."""
    client = AsyncHeksherClient(streams.url, 3600, ["a", "b", "c"], http_client_args={"trust_env": False})
    for _ in range(3):
        asyncio.run(client.ping())
    asyncio.run(client.set_as_main())
    for _ in range(3):
        asyncio.run(client.ping())
    assert {} == asyncio.run(client.get_settings())
    asyncio.run(client.aclose())


# ---- the thread client

# Threads that end as greenlets do.
ends_thread = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


@pytest.fixture
def thread_client(service: FakeService, own_process: None) -> Iterator[ThreadHeksherClient]:
    """A thread client that is started."""
    with ThreadHeksherClient(service.url, 3600, service.features, http_client_args=service.client_args) as client:
        yield client


def refuse(_thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


@ends_thread
@pytest.mark.parametrize("method", ["reload", "set_as_main"])
def test_a_thread_that_has_ended(
    thread_client: ThreadHeksherClient,
    service: FakeService,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: str,
):
    """A client whose thread something has ended is stale, warns once, and is brought back by either call."""
    setting = Setting("s", int, ["a"], 0)
    thread = thread_client._background.native
    with monkeypatch.context() as context:
        context.setattr(Wake, "wait", lambda *_: sys.exit())
        thread_client._background.wake.set()
        thread.join(DEADLINE_S)
    states = [thread_client.status.state for _ in range(2)]
    assert (["stale"] * 2, 1) == (states, count_told(caplog))
    service.set_default("s", 1)
    getattr(thread_client, method)()
    assert wait_until(lambda: thread_client.status.state == "current" and setting.get() == 1)
    assert thread_client._background.native.is_alive()


@ends_thread
def test_a_thread_that_cannot_be_replaced(thread_client: ThreadHeksherClient, monkeypatch: pytest.MonkeyPatch):
    """Where there can be no thread, ``reload`` says so, and so does the status."""
    with monkeypatch.context() as context:
        context.setattr(Wake, "wait", lambda *_: sys.exit())
        thread_client._background.wake.set()
        thread_client._background.native.join(DEADLINE_S)
        context.setattr(threading.Thread, "start", refuse)
        with pytest.raises(ClientStateError, match="can't start new thread"):
            thread_client.reload()
        assert "stale" == thread_client.status.state
    thread_client.reload()
    assert "current" == thread_client.status.state


@pytest.mark.usefixtures("own_process")
def test_a_start_without_a_thread(service: FakeService, monkeypatch: pytest.MonkeyPatch):
    """A start for which there can be no thread raises our error, and the status says why."""
    client = ThreadHeksherClient(service.url, 60, service.features, http_client_args=service.client_args)
    with monkeypatch.context() as context:
        context.setattr(threading.Thread, "start", refuse)
        with pytest.raises(ClientStateError, match="can't start new thread"):
            client.set_as_main()
    assert "failed" == client.status.state
    assert "can't start new thread" in client.status.last_error
    client.close()


def test_requests_side_by_side_without_threads(
    thread_client: ThreadHeksherClient, service: FakeService, monkeypatch: pytest.MonkeyPatch
):
    """Where there can be no more threads, the calling one sends all requests."""
    with monkeypatch.context() as context:
        context.setattr(threading.Thread, "start", refuse)
        settings = [Setting(f"s{number}", int, ["a"], 0) for number in range(20)]
        thread_client.reload()
    assert {setting.name for setting in settings} == set(service.declared())


AT_EXIT = """
import atexit, sys, httpx2
def look():
    from heksher import ClientStateError
    try:
        client.reload()
    except ClientStateError as error:
        print(client.status.state, "|", client.status.last_error, "|", error)
# Registered before heksher's own, and so called after it.
atexit.register(look)
from heksher import ThreadHeksherClient
answers = {"/api/v1/context_features": {"context_features": ["a"]}, "/api/v1/query": {"settings": {}}}
transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json=answers[request.url.path]))
client = ThreadHeksherClient("http://heksher.test", 60, ["a"], http_client_args={"transport": transport})
client.set_as_main()
assert client.status.state == "current"
"""


def test_at_the_exit_of_the_interpreter():
    """A client that is read when the interpreter ends says that nothing updates it; ``reload`` raises our error."""
    command = [sys.executable, "-c", AT_EXIT]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=DEADLINE_S * 3)
    state, reason, error = done.stdout.strip().split(" | ")
    assert ("stale", True, True) == (state, "about to end" in reason, "about to end" in error), done.stderr
