"""The network of the libraries' blocking clients: how it connects, and whom it leaves alone."""

import asyncio
import json
import math
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import httpx2
import pytest

from heksher.clients.conversation.exchange import Flow, Outcome, Request
from heksher.clients.transport import network
from heksher.clients.transport.async_transport import AsyncTransport
from heksher.clients.transport.in_flight import RequestsInFlight
from heksher.clients.transport.network import protect, protect_async
from heksher.clients.transport.private_part import count_connections
from heksher.clients.transport.sender import Limits
from heksher.clients.transport.thread_transport import ThreadTransport
from tests.support.open_sockets import await_sockets, count_sockets
from tests.support.raw_service import DEADLINE_S, RawConnection, RawService, always, answer_with

# How long the service has to hear of what should not be done to a connection.
NOTICE_S = 0.2
HEALTH = Request("GET", "/api/health")
OK = always(answer_with(body=b"{}"))
Make = Callable[..., ThreadTransport]


def ask() -> Flow[Any]:
    return (yield (HEALTH,))[0]


@pytest.fixture(params=[httpx2, httpx], ids=["httpx2", "httpx"])
def library(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def make(library: Any) -> Iterator[Make]:
    """What makes transports, which are closed at the end; the arguments are those of the library's own transport."""
    with ExitStack() as stack:

        def make(url: str, limits: Limits = Limits(), **options: Any) -> ThreadTransport:  # noqa: B008 - immutable
            args = {"transport": library.HTTPTransport(verify=False, **options), "timeout": library.Timeout(None)}
            transport = ThreadTransport(url, args, limits)
            stack.callback(transport.close)
            return transport

        yield make


def begin(transport: ThreadTransport) -> "Future[Any]":
    future: Future[Any] = Future()
    threading.Thread(target=lambda: future.set_result(transport.run(ask()))).start()
    return future


# ---- connecting


@pytest.fixture
def name_service(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """The addresses of names, besides those that the system knows."""
    usual = socket.getaddrinfo
    known: dict[str, list[Any]] = {}

    def look_up(host: str, port: int, *more: Any) -> list[Any]:
        if host in known and socket.AI_NUMERICHOST not in more:
            addresses = [(address, port) for address in known[host]]
            return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address) for address in addresses]
        return usual(host, port, *more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def test_name_with_several_addresses(make: Make, name_service: dict[str, list[Any]]) -> None:
    """Addresses are tried one after the other."""
    name_service["many.test"] = ["127.0.0.2", "127.0.0.1"]
    with RawService(OK) as service:
        before = count_sockets(service.url)
        assert make(f"http://many.test:{service.port}").run(ask()).body == b"{}"
        assert count_sockets(service.url) == before + 2


def test_name_without_addresses(make: Make, name_service: dict[str, list[Any]]) -> None:
    """A name that means nothing is a failure to connect, as is one that nobody knows."""
    name_service["none.test"] = []
    assert str(make("http://none.test").run(ask())).endswith("ConnectError: none.test has no address")
    assert "ConnectError: [Errno " in str(make("http://heksher.invalid").run(ask()))


def test_nobody_there(make: Make) -> None:
    """A port that nobody listens at is told of in the system's words, and leaves no socket."""
    with RawService(OK) as service:
        url = service.url
    before = count_sockets(url)
    assert "ConnectError: [Errno 111] Connection refused" in str(make(url).run(ask()))
    assert before == await_sockets(url, before)


def test_looking_up_without_threads(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be started any more, a name is looked up without one."""
    with RawService(OK) as service:
        transport = make(f"http://localhost:{service.port}")

        def refuse(_self: threading.Thread) -> None:
            if _self.name == "heksher-lookup":
                raise RuntimeError("can't start new thread")
            start(_self)

        start = threading.Thread.start
        monkeypatch.setattr(threading.Thread, "start", refuse)
        assert transport.run(ask()).body == b"{}"


def test_options_of_the_librarys_transport(make: Make) -> None:
    """What the program sets for its connections holds."""
    with RawService(OK) as service:
        options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
        transport = make(service.url, local_address="127.0.0.3", socket_options=options)
        assert transport.run(ask()).body == b"{}"
        assert service.connections[0].native.getpeername()[0] == "127.0.0.3"
        [connected] = [opened for opened in transport._client.requests.sockets if opened.fileno() >= 0]
        assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_option_that_cannot_be_set(make: Make) -> None:
    """An option that the system refuses is a failure to connect, and leaves no socket."""
    with RawService(OK) as service:
        before = count_sockets(service.url)
        outcome = make(service.url, socket_options=[(socket.SOL_SOCKET, -1, 1)]).run(ask())
        assert "ConnectError: [Errno " in str(outcome)
        assert before == await_sockets(service.url, before)


def test_socket_of_the_file_system(make: Make, tmp_path: Path) -> None:
    """A service may be at a path of the file system; its requests end in time and can be interrupted, too."""
    path = str(tmp_path / "service")
    with RawService(OK, path=path):
        assert make("http://heksher.test", uds=path).run(ask()).body == b"{}"
    path += "2"
    with RawService(RawConnection.hang, path=path) as service:
        limits = Limits(request_timeout_s=0.2)
        assert "request_timeout" in str(make("http://heksher.test", limits, uds=path).run(ask()))
        transport = make("http://heksher.test", uds=path)
        sending = begin(transport)
        service.await_connections(2)
        transport.close()
        assert "broken off" in str(sending.result(DEADLINE_S))


def test_closing_between_attempts(make: Make) -> None:
    """A transport that tries again after a while does not wait for that any more when it is closed."""
    with RawService(OK) as service:
        port = service.port
    transport = make(f"http://127.0.0.1:{port}", retries=20)
    sending = begin(transport)
    time.sleep(0.1)
    start = time.monotonic()
    transport.close()
    assert "broken off" in str(sending.result(DEADLINE_S))
    assert time.monotonic() - start < 1


def test_time_between_attempts(make: Make) -> None:
    """Nor does it try for longer than a request may take."""
    with RawService(OK) as service:
        port = service.port
    start = time.monotonic()
    outcome = make(f"http://127.0.0.1:{port}", Limits(request_timeout_s=0.2), retries=20).run(ask())
    assert "request_timeout" in str(outcome)
    assert time.monotonic() - start < 2


def test_event_loops(library: Any, tmp_path: Path) -> None:
    """On an event loop the same options hold: a socket of the file system, and several attempts."""
    path = str(tmp_path / "service")

    async def send(limits: Limits, **options: Any) -> Outcome:
        native = library.AsyncHTTPTransport(verify=False, **options)
        transport = AsyncTransport("http://127.0.0.1:9", {"transport": native}, limits)
        try:
            return await transport.run(ask())
        finally:
            await transport.close()

    with RawService(OK, path=path):
        assert asyncio.run(send(Limits(), uds=path)).body == b"{}"
    assert "request_timeout" in str(asyncio.run(send(Limits(request_timeout_s=0.2), uds=path, retries=20)))


def test_closing_before_the_handshake(library: Any) -> None:
    """A request that is interrupted after it has connected, and before the handshake of TLS, leaves no connection."""
    requests = RequestsInFlight()
    with RawService(RawConnection.hang) as service, library.Client(verify=False, trust_env=False) as client:
        protect(client)
        before = count_sockets(service.url)
        url = service.url.replace("http:", "https:")
        trace = {"trace": lambda event, _: event == "connection.start_tls.started" and requests.abort()}
        with pytest.raises(ConnectionAbortedError), requests.request(DEADLINE_S):
            client.get(url, extensions=trace)
        assert before == await_sockets(service.url, before)


# ---- later versions of the libraries


def test_unknown_options(library: Any) -> None:
    """What a later version may ask of a connection is left to its own network; requests end in time all the same."""
    native = library.HTTPTransport(verify=False)
    ThreadTransport("http://h", {"transport": native})
    backend = native._pool._network_backend
    given: list[tuple[Any, ...]] = []

    class Later(type(backend._inner)):  # type: ignore[misc]
        def connect_tcp(self, *args: Any, hurry: bool, **options: Any) -> Any:
            given.append((args, hurry))
            return super().connect_tcp(*args, **options)

        def later(self) -> str:
            return "later"

    backend._inner = Later()
    with RawService(RawConnection.hang) as service:
        stream = backend.connect_tcp("127.0.0.1", service.port, 3, hurry=True)
        assert [(("127.0.0.1", service.port, 3), True)] == given
        with pytest.raises(Exception, match="timed out"):
            stream.read(1, 0.01)
        stream.close()
    assert backend.later() == "later"


def test_unknown_network(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library's network is not found as it is known, the library's own is used."""
    monkeypatch.setitem(sys.modules, f"{library.HTTPTransport()._pool.__module__}._backends.sync", None)
    with RawService(OK) as service:
        transport = ThreadTransport(service.url, {"timeout": library.Timeout(None)})
        before = type(library.HTTPTransport()._pool._network_backend)
        assert before is type(transport._client.native._transport._pool._network_backend)
        assert transport.run(ask()).body == b"{}"
        transport.close()


# ---- after a fork, as far as it can be seen without one


def test_inherited_sockets_are_closed(make: Make) -> None:
    """What a child has inherited is closed there, and later requests open connections of their own."""
    with RawService(OK) as service:
        for transport in (make(service.url), ThreadTransport(service.url, None)):
            transport.run(ask())
            inherited = list(transport._client.requests.sockets)
            transport.reset_after_fork()
            assert [-1] == [opened.fileno() for opened in inherited]
            assert transport.run(ask()).body == b"{}"
            transport.close()
        assert len(service.connections) == 4


def test_inherited_loops_are_left_alone(library: Any) -> None:
    """On an event loop what was inherited stays as it is, as it belongs to the loop of the parent."""

    async def send(shared: Any) -> list[Outcome]:
        transport = AsyncTransport(service.url, {"transport": shared})
        outcomes = [await transport.run(ask())]
        connections = list(shared._pool._connections)
        transport.reset_after_fork()
        outcomes.append(await transport.run(ask()))
        assert [True] == [connection.is_idle() for connection in connections]
        await transport.close()
        # The later one is closed; the service would hear of it if anything were done to the other.
        assert await asyncio.to_thread(service.connections[1].is_ended.wait, DEADLINE_S)
        assert not await asyncio.to_thread(service.connections[0].is_ended.wait, NOTICE_S)
        for connection in connections:
            await connection.aclose()
        return outcomes

    with RawService(OK) as service:
        outcomes = asyncio.run(send(library.AsyncHTTPTransport(verify=False)))
        assert [b"{}", b"{}"] == [outcome.body for outcome in outcomes]
        assert len(service.connections) == 2


# ---- whom it leaves alone


def test_clients_without_a_network(library: Any) -> None:
    """Transports without a network stay as they are."""
    mock = library.MockTransport(lambda _request: library.Response(200))
    before = dict(mock.__dict__)
    for client in (library.Client(transport=mock), object()):
        protect(client)
        protect_async(client)
    assert before == mock.__dict__


def test_protecting_twice(library: Any) -> None:
    """A transport that two clients share is protected once."""
    shared, shared_async = library.HTTPTransport(), library.AsyncHTTPTransport()
    backends = []
    for _ in range(2):
        ThreadTransport("http://h", {"transport": shared})
        AsyncTransport("http://h", {"transport": shared_async})
        backends.append((shared._pool._network_backend, shared_async._pool._network_backend))
    assert backends[0] == backends[1]


def test_backend_of_the_programs_own(library: Any) -> None:
    """A network that the program has put into its transport is not replaced."""
    own = library.HTTPTransport()
    own._pool._network_backend = backend = object()
    ThreadTransport("http://h", {"transport": own})
    assert backend is own._pool._network_backend


def test_other_clients_of_a_transport(library: Any) -> None:
    """A client of the program's own that shares the transport has neither limits nor interruptions."""

    def answer_late(connection: RawConnection) -> None:
        while b"/api" in (request := connection.receive()):
            connection.hang()
        if request:
            time.sleep(0.3)
            connection.send(answer_with(body=b"{}"))

    shared = library.HTTPTransport()
    with RawService(answer_late) as service:
        transport = ThreadTransport(service.url, {"transport": shared}, Limits(request_timeout_s=0.1))
        future: Future[Any] = Future()

        def ask_besides() -> None:
            future.set_result(library.Client(transport=shared, timeout=None).get(service.url + "/other"))

        threading.Thread(target=ask_besides).start()
        assert "request_timeout" in str(transport.run(ask()))
        transport._client.requests.abort()
        assert future.result(DEADLINE_S).json() == {}
        transport.close()


def test_applications_as_transports(library: Any) -> None:
    """A program may have its requests answered by an application in its own process."""

    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"path": environ["PATH_INFO"]}).encode()]

    transport = ThreadTransport("http://h", {"transport": library.WSGITransport(app=application)}, Limits(100))
    outcome = transport.run(ask())
    assert json.loads(outcome.body) == {"path": "/api/health"}
    tight = ThreadTransport("http://h", {"transport": library.WSGITransport(app=application)}, Limits(5))
    assert "max_response_bytes" in str(tight.run(ask()))
    transport.close()
    tight.close()


# ---- connections


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_connections_are_counted(library: Any, kind: str) -> None:
    """How many connections a client may have is what its program says; who knows of a transport of its own."""
    make_client = getattr(library, kind)
    limits = library.Limits(max_connections=1)
    assert 1 == count_connections(make_client(limits=limits, trust_env=False))
    assert count_connections(make_client(trust_env=False)) > 1
    assert math.inf == count_connections(make_client(transport=library.MockTransport(repr), trust_env=False))


class GreenSocket:
    """A socket as eventlet makes them: its class has no methods, each object takes those of the real socket."""

    def __init__(self, *kind: Any) -> None:
        self._native = socket.socket(*kind)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._native, name)


def test_sockets_whose_class_has_no_methods(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing breaks off a request on a socket of eventlet, too."""
    monkeypatch.setattr(network, "socket", SimpleNamespace(**{**vars(socket), "socket": GreenSocket}))
    with RawService(RawConnection.hang) as service:
        sending = begin(transport := make(service.url))
        service.await_connections(1)
        transport.close()
        assert "broken off" in str(sending.result(DEADLINE_S))
