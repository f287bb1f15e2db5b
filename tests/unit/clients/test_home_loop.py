"""Doing something in the loop of a client, from another one: what comes back, and what if that loop ends."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from heksher.clients.home_loop import Callbacks, do_in
from heksher.exceptions import ClientStateError
from tests.support.fake_service import DEADLINE_S


@pytest.fixture
def home() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    if loop.is_running():
        loop.call_soon_threadsafe(loop.stop)
    thread.join(DEADLINE_S)
    loop.close()


async def find_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


async def fail() -> None:
    raise ZeroDivisionError


async def be_cancelled() -> None:
    raise asyncio.CancelledError


def test_it_is_done_there(home: asyncio.AbstractEventLoop) -> None:
    """The action runs in that loop, also if that is the calling one, and its result or error comes back."""

    async def run() -> None:
        assert await do_in(home, find_loop()) is home
        here = asyncio.get_running_loop()
        assert await do_in(here, find_loop()) is here
        with pytest.raises(ZeroDivisionError):
            await do_in(home, fail())

    asyncio.run(run())


def test_an_action_that_the_loop_has_cancelled(home: asyncio.AbstractEventLoop) -> None:
    """Tasks of a loop that ends are cancelled; to the caller that is an error, not its own cancellation."""
    with pytest.raises(ClientStateError, match="does not run"):
        asyncio.run(do_in(home, be_cancelled()))


def test_a_caller_that_is_cancelled(home: asyncio.AbstractEventLoop) -> None:
    """The action ends with the call that waits for it."""
    events = [threading.Event(), threading.Event()]

    async def be_long() -> None:
        try:
            events[0].set()
            await asyncio.sleep(3600)
        finally:
            events[1].set()

    async def run() -> None:
        call = asyncio.create_task(do_in(home, be_long()))
        await asyncio.to_thread(events[0].wait, DEADLINE_S)
        call.cancel()
        await asyncio.wait([call])
        assert call.cancelled()

    asyncio.run(run())
    assert events[1].wait(DEADLINE_S)


def test_callbacks_need_a_loop() -> None:
    """Before the start a coroutine cannot be run, which is an error; afterwards it is run, and forgotten."""
    callbacks = Callbacks()
    coroutine = find_loop()
    with pytest.raises(RuntimeError, match="not started"):
        callbacks.spawn(coroutine)  # type: ignore[arg-type]  # its result is of no importance
    coroutine.close()

    async def run() -> None:
        callbacks.loop = asyncio.get_running_loop()
        callbacks.spawn(asyncio.sleep(0))
        (task,) = callbacks.tasks
        await task
        await asyncio.sleep(0)
        assert set() == callbacks.tasks

    asyncio.run(run())
