"""What only the transport for threads does: interrupting them, and requests in threads of their own."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest

from heksher.clients.conversation.exchange import Flow, Outcome, Request, Response
from heksher.clients.transport.sender import MAX_CONCURRENT_REQUESTS
from heksher.clients.transport.thread_transport import ThreadTransport
from heksher.exceptions import TransportError
from tests.support.open_sockets import await_sockets, count_sockets
from tests.support.raw_service import DEADLINE_S, RawConnection, RawService, answer_with
from tests.support.threads import NewThreads
from tests.support.transports import (
    HEALTH,
    LIBRARIES,
    MANY,
    TLS,
    URL,
    ask,
    echo,
    run_in_thread,
)


@pytest.mark.trap(24)
def test_requests_of_a_step_overlap() -> None:
    """Requests that go side by side are in flight at the same time, up to a limit that spares the service."""
    barrier = threading.Barrier(MAX_CONCURRENT_REQUESTS, timeout=30)
    present = 0
    most = 0
    lock = threading.Lock()

    def meet(_request: httpx2.Request) -> httpx2.Response:
        nonlocal present, most
        with lock:
            present += 1
            most = max(most, present)
        barrier.wait()
        with lock:
            present -= 1
        return httpx2.Response(200)

    requests = [HEALTH] * MAX_CONCURRENT_REQUESTS * 3
    outcomes = run_in_thread(ask(*requests), URL, {"transport": httpx2.MockTransport(meet)})
    assert isinstance(outcomes, tuple)
    assert [200] * len(requests) == [outcome.status for outcome in outcomes]
    assert most <= MAX_CONCURRENT_REQUESTS


def test_close_and_reset() -> None:
    """Without a loop it is the same."""
    transport = ThreadTransport(URL, {"transport": httpx2.MockTransport(echo)})
    transport.reset()
    outcomes = [transport.run(ask(HEALTH))]
    for _ in range(2):
        transport.close()
        outcomes.append(transport.run(ask(HEALTH)))
    assert [[Response], [TransportError], [TransportError]] == [list(map(type, sent)) for sent in outcomes]


def test_reset_ends_flows_in_flight() -> None:
    """A flow that was begun before a reset opens no new connections."""
    transport = ThreadTransport(URL, {"transport": httpx2.MockTransport(echo)})

    def flow() -> Flow[tuple[Outcome, ...]]:
        yield (HEALTH,)
        transport.reset()
        return (yield (HEALTH,))

    [outcome] = transport.run(flow())
    transport.close()
    assert isinstance(outcome, TransportError)


@pytest.fixture(params=["httpx2", "httpx"])
def transport(request: pytest.FixtureRequest) -> Iterator[Callable[..., ThreadTransport]]:
    """What makes transports for threads, without limits of the library."""
    library = LIBRARIES[request.param]
    with ExitStack() as stack:

        def make(url: str, **limits: Any) -> ThreadTransport:
            args = {"timeout": library.Timeout(None), "limits": library.Limits(**limits), "verify": TLS}
            made = ThreadTransport(url, args)
            stack.callback(made.close)
            return made

        yield make


def run_in_background(transport: ThreadTransport, *requests: Request) -> "Future[tuple[Outcome, ...]]":
    future: Future[tuple[Outcome, ...]] = Future()
    threading.Thread(target=lambda: future.set_result(transport.run(ask(*requests)))).start()
    return future


def test_abort(transport: Callable[..., ThreadTransport]) -> None:
    """Aborting interrupts what is in flight, in all threads; later requests are sent."""
    is_hanging = threading.Event()
    is_hanging.set()

    def hang(connection: RawConnection) -> None:
        while connection.receive():
            if is_hanging.is_set():
                connection.hang()
            connection.send(answer_with())

    with RawService(hang) as service:
        native = transport(service.url)
        sendings = [run_in_background(native, *requests) for requests in ((HEALTH,), MANY)]
        service.await_connections(4)
        time.sleep(0.05)
        native._client.requests.abort()
        outcomes = [outcome for sending in sendings for outcome in sending.result(DEADLINE_S)]
        assert [TransportError] * 4 == list(map(type, outcomes))
        is_hanging.clear()
        assert native.run(ask(HEALTH))[0].status == 200


def test_untimely_end_is_none(transport: Callable[..., ThreadTransport]) -> None:
    """An answer that ends with its connection looks complete when it is interrupted, and is not taken for that."""

    def answer_without_length(connection: RawConnection) -> None:
        connection.receive()
        connection.send(b'HTTP/1.1 200 OK\r\n\r\n{"settings": {}}')
        connection.hang()

    with RawService(answer_without_length) as service:
        native = transport(service.url)
        sending = run_in_background(native, HEALTH)
        service.await_connections()
        time.sleep(0.1)
        native._client.requests.abort()
        assert "broken off by the client itself" in str(sending.result(DEADLINE_S)[0])


def test_requests_that_wait_for_a_connection_are_interrupted(transport: Callable[..., ThreadTransport]) -> None:
    """Requests for which there is no connection yet, as the program allows few of them, end as well."""
    with RawService(RawConnection.hang) as service:
        native = transport(service.url, max_connections=1)
        sending = run_in_background(native, *MANY)
        service.await_connections()
        time.sleep(0.05)
        begin = time.monotonic()
        native.close()
        assert [TransportError] * 3 == list(map(type, sending.result(DEADLINE_S)))
        assert time.monotonic() - begin < 1


@pytest.mark.parametrize("requests", [(HEALTH,), MANY], ids=["one", "many"])
def test_interrupt_by_the_keyboard(
    new_threads: NewThreads,
    transport: Callable[..., ThreadTransport],
    monkeypatch: pytest.MonkeyPatch,
    requests: tuple[Request, ...],
) -> None:
    """Ctrl-C during a request, or while waiting for several, leaves none of them behind."""
    with RawService(RawConnection.hang) as service:
        before = count_sockets(service.url)
        native = transport(service.url)
        main = threading.get_ident()

        def press() -> None:
            service.await_connections(len(requests))
            time.sleep(0.05)
            signal.pthread_kill(main, signal.SIGINT)

        threading.Thread(target=press).start()
        with pytest.raises(KeyboardInterrupt):
            native.run(ask(*requests))
        for connection in service.connections:
            assert connection.is_ended.wait(DEADLINE_S)
        assert before == await_sockets(service.url, before)
        assert [] == new_threads.await_none()
