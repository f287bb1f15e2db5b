"""The task and the thread that follow: how many there are, and when. The conformance suite has what comes of it."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from heksher import AsyncHeksherClient, Setting, ThreadHeksherClient, main_client
from heksher.clients import stream_runner
from tests.support.event_streams import HEARTBEAT, StreamingService, chunk
from tests.support.fake_service import FakeService
from tests.support.threads import NewThreads
from tests.support.waiting import wait_until

ARGS = {"trust_env": False}
PATCHED_LATE = "gevent was patched in when the client was there already"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have streams opened without the time that a client waits after its start; begin without a main client."""
    monkeypatch.setattr("heksher.clients.conversation.stream_policy.FIRST_DELAYS_S", (0.0, 0.0))
    monkeypatch.setattr(main_client, "_main", None)


@pytest.fixture
def streams() -> Iterator[StreamingService]:
    with StreamingService(FakeService("a")) as streams:
        yield streams


def name_tasks() -> list[str]:
    return sorted(task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task())


def make_thread_client(streams: StreamingService, interval_s: float = 3600) -> ThreadHeksherClient:
    return ThreadHeksherClient(streams.url, interval_s, ["a"], http_client_args=ARGS)


def make_async_client(streams: StreamingService) -> AsyncHeksherClient:
    return AsyncHeksherClient(streams.url, 3600, ["a"], http_client_args=ARGS)


async def await_stream(client: AsyncHeksherClient) -> None:
    assert await asyncio.to_thread(wait_until, lambda: client.status.is_streaming)


def test_one_thread_beside_the_one_that_updates(new_threads: NewThreads, streams: StreamingService) -> None:
    """However often the client updates there is one thread for the stream, a daemon; after close there is none."""
    with make_thread_client(streams) as client:
        for _ in range(3):
            client.reload()
        assert ["heksher", "heksher-stream"] == new_threads.names()
        assert all(thread.daemon for thread in new_threads.find())
    assert [] == new_threads.find()


def test_one_task_beside_the_one_that_updates(streams: StreamingService) -> None:
    """So it is with tasks, also when the client asks for something else than before."""

    async def run() -> None:
        async with make_async_client(streams) as client:
            setting = Setting("size", int, ["a"], 0)
            for _ in range(3):
                await client.reload()
            await await_stream(client)
            assert await asyncio.to_thread(wait_until, lambda: streams.count_open() == 1)
            assert (["heksher stream", "heksher updates"], 0) == (name_tasks(), setting.get())
        assert [] == name_tasks()

    asyncio.run(run())


def test_threads_that_cannot_be_started(streams: StreamingService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that can have no more threads polls, and follows as soon as it can have one."""
    with make_thread_client(streams) as client, monkeypatch.context() as patch:
        wait_until(lambda: client.status.is_streaming)
        client.close()
        start = threading.Thread.start

        def refuse(thread: threading.Thread) -> None:
            if thread.name == "heksher-stream":
                raise RuntimeError("can't start new thread")
            start(thread)

        patch.setattr(threading.Thread, "start", refuse)
        with make_thread_client(streams) as other:
            assert ("current", False) == (other.status.state, other.status.is_streaming)
            patch.undo()
            other.reload()
            assert wait_until(lambda: other.status.is_streaming)


def test_gevent_that_is_patched_late(streams: StreamingService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that was there already ends when something comes in, no other follows, and the client polls."""
    with make_thread_client(streams, interval_s=0.02) as client:
        assert wait_until(lambda: client.status.is_streaming)
        # As if threads had been real ones until now.
        monkeypatch.setattr(stream_runner, "_START_NEW_THREAD", object())
        streams.send(chunk(HEARTBEAT))
        assert wait_until(lambda: streams.count_open() == 0)
        client.reload()
        assert (False, PATCHED_LATE) == (client.status.is_streaming, client.status.stream_problem)
        updates = []
        client.on_update_ok = lambda: updates.append(None)
        assert wait_until(lambda: len(updates) > 2)
        assert 1 == len(streams.asked)


def test_next_loop(streams: StreamingService) -> None:
    """A client that is started again in another loop follows there; the stream of the first ended with its loop."""
    client = make_async_client(streams)

    async def run() -> None:
        await client.set_as_main()
        await await_stream(client)

    asyncio.run(run())
    assert wait_until(lambda: streams.count_open() == 0)
    asyncio.run(run())
    assert 2 == len(streams.asked)
    asyncio.run(client.aclose())


def test_close_in_another_loop(streams: StreamingService) -> None:
    """A client whose loop runs in another thread ends its stream there."""
    client = make_async_client(streams)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(client.set_as_main(), loop).result(10)
    assert wait_until(lambda: client.status.is_streaming)
    asyncio.run(client.aclose())
    assert wait_until(lambda: streams.count_open() == 0)
    assert not client.status.is_streaming
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
