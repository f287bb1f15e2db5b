"""What only the transport for event loops does: it cancels, and lets the loop go on."""

import asyncio
import gc
import threading
from contextlib import suppress

import httpx2
import pytest

from heksher.clients.conversation.exchange import Outcome, Response
from heksher.clients.transport.async_transport import AsyncTransport
from heksher.clients.transport.receiving import STEP_BYTES
from heksher.clients.transport.sender import MAX_CONCURRENT_REQUESTS, Limits
from heksher.exceptions import TransportError
from tests.support.open_sockets import await_sockets, count_sockets
from tests.support.raw_service import DEADLINE_S, RawConnection, RawService, always, answer_with, endless, forever
from tests.support.transports import (
    HEALTH,
    MANY,
    TLS,
    URL,
    ask,
    compress,
    echo,
    encoded,
    run_in_loop,
)


@pytest.mark.trap(24)
def test_requests_of_a_step_overlap_on_the_loop() -> None:
    """On an event loop they overlap as well, up to the same limit."""
    present = 0
    most = 0

    async def meet(_request: httpx2.Request) -> httpx2.Response:
        nonlocal present, most
        present += 1
        most = max(most, present)
        await asyncio.sleep(0)
        present -= 1
        return httpx2.Response(200)

    requests = [HEALTH] * MAX_CONCURRENT_REQUESTS * 3
    run_in_loop(ask(*requests), URL, {"transport": httpx2.MockTransport(meet)})
    assert most == MAX_CONCURRENT_REQUESTS


async def close_and_reset_on_the_loop() -> list[list[type]]:
    transport = AsyncTransport(URL, {"transport": httpx2.MockTransport(echo)})
    await transport.reset()
    outcomes = [await transport.run(ask(HEALTH))]
    for _ in range(2):
        await transport.close()
        outcomes.append(await transport.run(ask(HEALTH)))
    return [list(map(type, sent)) for sent in outcomes]


def test_close_and_reset_on_the_loop() -> None:
    """After a reset new flows are sent as before; after close, which may come twice, they fail."""
    assert [[Response], [TransportError], [TransportError]] == asyncio.run(close_and_reset_on_the_loop())


def test_cancelled_request_leaves_no_connection() -> None:
    """A task that is cancelled during the body of an answer closes its connection."""

    async def cancel(url: str) -> None:
        transport = AsyncTransport(url, {"trust_env": False})
        task = asyncio.create_task(transport.run(ask(*MANY)))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(await_ends)
        await transport.close()

    def await_ends() -> None:
        for connection in service.connections:
            assert connection.is_ended.wait(DEADLINE_S)

    with RawService(endless(b"", forever(b"x"), 0.01)) as service:
        asyncio.run(cancel(service.url))
        assert 3 == len(service.connections)


def test_bomb_does_not_block_the_loop() -> None:
    """While something huge is decompressed, other tasks go on: after each step, of which there are many."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def send(url: str) -> Outcome:
        # The very last step is too much: of a whole answer, the body would be handed over to a thread.
        transport = AsyncTransport(url, {"trust_env": False}, Limits(size - 1))
        counting = asyncio.create_task(count())
        [outcome] = await transport.run(ask(HEALTH))
        counting.cancel()
        await transport.close()
        return outcome

    size = 32 * STEP_BYTES
    with RawService(always(encoded("gzip", compress(bytes(size), 31)))) as service:
        assert "more than" in str(asyncio.run(send(service.url)))
    # What the network takes is far less.
    assert turns >= 31


def test_closing_after_the_loop_has_ended() -> None:
    """A transport whose loop is gone can be closed in another one."""

    def send_and_close() -> None:
        transport = AsyncTransport(service.url, {"trust_env": False})
        asyncio.run(send(transport))
        asyncio.run(transport.close())
        del transport
        gc.collect()

    async def send(transport: AsyncTransport) -> None:
        await transport.run(ask(HEALTH))

    with RawService(always(answer_with())) as service, pytest.warns(ResourceWarning):
        send_and_close()


@pytest.mark.parametrize("steps", range(12))
def test_connections_that_are_being_closed(steps: int) -> None:
    """A task that is cancelled while the library closes connections that the service has closed leaves none open."""
    is_over = threading.Event()

    def serve(connection: RawConnection) -> None:
        connection.receive()
        connection.send(answer_with(body=b"{}"))
        is_over.wait(DEADLINE_S)

    async def run(service: RawService) -> None:
        transport = AsyncTransport(service.url, {"trust_env": False, "verify": TLS})
        await transport.run(ask(*MANY))
        is_over.set()
        for thread in service.threads[1:]:
            await asyncio.to_thread(thread.join)
        task = asyncio.create_task(transport.run(ask(HEALTH)))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await transport.close()

    with RawService(serve) as service:
        before = count_sockets(service.url)
        asyncio.run(run(service))
        assert before == await_sockets(service.url, before)
