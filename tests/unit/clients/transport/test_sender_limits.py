"""What a request may cost, and how it ends: too long answers, answers that never end, and closing meanwhile.

Everything goes over real sockets, with both kinds of transports and both HTTP libraries, whose own time limits are
switched off.
"""

import socket
import ssl
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import httpx2
import pytest
import trustme

from heksher.clients.conversation.exchange import Outcome, Request, Response
from heksher.clients.transport.async_transport import AsyncTransport
from heksher.clients.transport.http_errors import as_http_error
from heksher.clients.transport.sender import Limits
from heksher.clients.transport.thread_transport import ThreadTransport
from heksher.exceptions import TransportError
from tests.support.drivers import AsyncDriver, Driver, ThreadDriver
from tests.support.open_sockets import await_sockets, count_sockets
from tests.support.raw_service import (
    DEADLINE_S,
    Handler,
    RawConnection,
    RawService,
    always,
    answer_with,
    endless,
    forever,
    unreachable_port,
)
from tests.support.threads import NewThreads
from tests.support.transports import (
    HEALTH,
    LIBRARIES,
    MANY,
    TLS,
    ask,
    compress,
    encoded,
)

# For requests that are not to be answered, and for those of which some are: enough for that on a busy machine.
SHORT = Limits(request_timeout_s=0.2)
LONGER = Limits(request_timeout_s=0.8)
MIB = 2**20


class Sender:
    """A transport of either kind, with blocking calls."""

    def __init__(self, driver: Driver, native: AsyncTransport | ThreadTransport) -> None:
        self.driver = driver
        self.native = native

    def begin(self, *requests: Request) -> "Future[tuple[Outcome, ...]]":
        return self.driver.begin(self.native.run, ask(*requests))

    def send(self, request: Request = HEALTH) -> Any:
        return self.begin(request).result(DEADLINE_S)[0]

    def close(self) -> None:
        self.driver.run(self.native.close)


Connect = Callable[..., Sender]


@pytest.fixture(params=["async", "thread"])
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    driver = {"async": AsyncDriver, "thread": ThreadDriver}[request.param]()
    yield driver
    driver.stop()


@pytest.fixture(params=["httpx2", "httpx"])
def connect(request: pytest.FixtureRequest, driver: Driver) -> Iterator[Connect]:
    """What makes transports, which are closed at the end."""
    library = LIBRARIES[request.param]
    with ExitStack() as stack:

        def make(url: str, limits: Limits = Limits(), **client_args: Any) -> Sender:  # noqa: B008 - immutable
            args = {"timeout": library.Timeout(None), "trust_env": False, "verify": TLS, **client_args}
            kind = AsyncTransport if isinstance(driver, AsyncDriver) else ThreadTransport
            sender = Sender(driver, driver.run(kind, url, args, limits))
            stack.callback(sender.close)
            return sender

        yield make


# ---- how much


ENCODINGS = {
    "gzip": ("gzip", 31),
    "x-gzip": ("x-gzip", 31),
    "in capitals": ("GZIP", 31),
    "deflate": ("deflate", 15),
    "bare deflate": ("deflate", -15),
}
encodings = pytest.mark.parametrize(("encoding", "window_bits"), ENCODINGS.values(), ids=ENCODINGS)


def expect_too_large(outcome: object, max_bytes: int) -> None:
    """The outcome says which limit was passed, and brings the response, whose body is gone."""
    assert isinstance(outcome, TransportError)
    assert f"more than {max_bytes} bytes (max_response_bytes)" in str(outcome)
    assert (200, "here") == (outcome.native.status_code, outcome.native.headers["X-Test"])
    assert outcome.native.is_closed


@encodings
def test_compressed_answer(connect: Connect, encoding: str, window_bits: int) -> None:
    """An answer up to the limit is read, decompressed; the library's response is as if it had read it."""
    text = '{"é": "' + "x" * 3 * MIB + '"}'
    body = text.encode()
    with RawService(always(encoded(encoding, compress(body, window_bits)))) as service:
        outcome = connect(service.url, Limits(len(body))).send()
    assert body == outcome.body
    assert (body, text, {"é": "x" * 3 * MIB}) == (outcome.native.content, outcome.native.text, outcome.native.json())
    assert encoding == outcome.native.headers["Content-Encoding"]


@pytest.mark.parametrize(("encoding", "window_bits"), [("gzip", 31), ("deflate", -15)])
def test_bomb(connect: Connect, encoding: str, window_bits: int) -> None:
    """What gets too long by decompression is given up without holding much more than the limit."""
    # All of it comes in one piece from the network.
    bomb = compress(bytes(32 * MIB), window_bits)
    assert len(bomb) < 2**16
    limit = 4 * MIB
    head = b"X-Test: here\r\nContent-Encoding: %s\r\n" % encoding.encode()
    with RawService(always(answer_with(head, bomb))) as service:
        sender = connect(service.url, Limits(limit))
        tracemalloc.start()
        try:
            outcome = sender.send()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    expect_too_large(outcome, limit)
    assert peak < 2 * limit


def test_endless_answer(connect: Connect) -> None:
    """A body without an end is given up at the limit."""
    with RawService(endless(b"X-Test: here\r\n", forever(b"x" * 30_000))) as service:
        expect_too_large(connect(service.url, Limits(MIB)).send(), MIB)


def test_endless_rubbish_after_the_end(connect: Connect) -> None:
    """What is received counts, too: nothing comes out of what follows a compressed body, and yet it is too much."""

    def pieces() -> Iterator[bytes]:
        yield compress(b"{}", 31)
        yield from forever(b"x" * 30_000)

    with RawService(endless(b"X-Test: here\r\nContent-Encoding: gzip\r\n", pieces())) as service:
        expect_too_large(connect(service.url, Limits(MIB)).send(), MIB)


@pytest.mark.parametrize("length", [101, 2**62])
def test_announced_length(connect: Connect, length: int) -> None:
    """What announces to be too long is not even begun to be read: the answer does not go on after its headers."""

    def announce(connection: RawConnection) -> None:
        connection.receive()
        connection.send(answer_with(b"X-Test: here\r\nContent-Length: %d\r\n" % length))
        connection.hang()

    with RawService(announce) as service:
        expect_too_large(connect(service.url, Limits(100)).send(), 100)


def test_length_of_what_is_not_sent(connect: Connect) -> None:
    """An answer without a body may announce the length that it would have."""
    answer = answer_with(b"Content-Length: 1000\r\n", status="304 Not Modified")
    with RawService(always(answer)) as service:
        outcome = connect(service.url, Limits(100)).send()
    assert (304, b"") == (outcome.status, outcome.body)


def test_exact_length(connect: Connect) -> None:
    """The limit itself is allowed, one byte more is not."""
    for length, kind in ((100, Response), (101, TransportError)):
        with RawService(endless(b"", [b"x" * length, b""])) as service:
            assert kind is type(connect(service.url, Limits(100)).send())


def test_connection_goes_on_after_an_answer(connect: Connect) -> None:
    """An answer that was read to its end leaves the connection to the next request."""
    with RawService(always(encoded("gzip", compress(b"{}", 31)))) as service:
        sender = connect(service.url)
        assert [b"{}", b"{}"] == [sender.send().body, sender.send().body]
        assert 1 == len(service.connections)


@pytest.mark.parametrize(
    ("encoding", "body", "reason"),
    [
        ("gzip", b"no gzip", "DecodingError: Error -3 while decompressing data: incorrect header check"),
        ("deflate", b"\xff\xff", "DecodingError: Error -3 while decompressing data: invalid block type"),
        ("gzip", compress(b"{}" * 1000, 31)[:-9], "DecodingError: the compressed body is incomplete"),
    ],
)
def test_no_compressed_body(connect: Connect, encoding: str, body: bytes, reason: str) -> None:
    """A body that cannot be decompressed is a failure, with the class that it has in the libraries."""
    with RawService(always(encoded(encoding, body))) as service:
        outcome = connect(service.url).send()
    assert f"GET /api/health got no answer from {service.url}: {reason}" == str(outcome)
    error = as_http_error(outcome)
    assert isinstance(error, httpx.DecodingError)
    assert isinstance(error, httpx2.DecodingError)


@pytest.mark.parametrize("encoding", ["identity", "", "utf-8", "gzip"])
def test_nothing_to_decompress(connect: Connect, encoding: str) -> None:
    """An encoding that is none, or that nobody knows, changes nothing; and an empty body is empty in any."""
    body = b"" if encoding == "gzip" else b"{}"
    with RawService(always(encoded(encoding, body))) as service:
        assert body == connect(service.url).send().body


def test_accepted_encodings(connect: Connect) -> None:
    """Only what can be decompressed within a limit is asked for, unless the program says otherwise."""
    asked = []

    def note(connection: RawConnection) -> None:
        while request := connection.receive():
            asked.extend(line for line in request.lower().split(b"\r\n") if line.startswith(b"accept-encoding:"))
            connection.send(answer_with())

    with RawService(note) as service:
        connect(service.url).send()
        connect(service.url, headers={"accept-encoding": "identity"}).send()
    assert [b"accept-encoding: gzip, deflate", b"accept-encoding: identity"] == asked


# ---- how long


def drip_headers(connection: RawConnection) -> None:
    connection.receive()
    connection.send(b"HTTP/1.1 200 OK\r\n")
    connection.drip(forever(b"X: y\r\n"))


def hang_on_second(connection: RawConnection) -> None:
    connection.receive()
    connection.send(answer_with())
    connection.hang()


SLOW: dict[str, Handler] = {
    "silent": RawConnection.hang,
    "drips headers": drip_headers,
    "drips a body": endless(b"", forever(b"x"), 0.02),
}


@contextmanager
def tls_service(handle: Handler, scheme: str) -> Iterator[str]:
    """Return the URL of a service; with https, of one that does not know how to shake hands."""
    with RawService(handle) as service:
        yield f"{scheme}://127.0.0.1:{service.port}"


def expect_timeout(sender: Sender, limits: Limits = SHORT) -> None:
    """A request fails when its time is over."""
    limit_s = limits.request_timeout_s
    begin = time.monotonic()
    outcome = sender.send()
    assert limit_s - 0.05 < time.monotonic() - begin < 3
    assert isinstance(outcome, TransportError)
    assert str(outcome).endswith(f"TimeoutError: not within {limit_s} s (request_timeout)")
    error = as_http_error(outcome)
    assert isinstance(error, httpx.TimeoutException)
    assert isinstance(error, httpx2.TimeoutException)


@pytest.mark.parametrize("handle", SLOW.values(), ids=SLOW)
def test_slow_answer(connect: Connect, handle: Handler) -> None:
    """A request ends in time, whatever trickles in."""
    with RawService(handle) as service:
        before = count_sockets(service.url)
        expect_timeout(connect(service.url, SHORT))
        assert before == await_sockets(service.url, before)


def test_slow_handshake(connect: Connect) -> None:
    """The handshake of TLS is part of a request."""
    with tls_service(RawConnection.hang, "https") as url:
        expect_timeout(connect(url, SHORT))


def test_slow_connection(connect: Connect) -> None:
    """So is connecting."""
    with unreachable_port() as port:
        expect_timeout(connect(f"http://127.0.0.1:{port}", SHORT))


@pytest.fixture
def slow_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Names are not found, and that is not said either, until the test is over."""
    answered = threading.Event()
    usual = socket.getaddrinfo

    def look_up(host: str, port: int, *more: Any, **options: Any) -> list[Any]:
        if host in {"slow.test", b"slow.test"} and socket.AI_NUMERICHOST not in more:
            answered.wait(DEADLINE_S)
            raise socket.gaierror(socket.EAI_NONAME, "name not known")
        return usual(host, port, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield
    answered.set()


def test_slow_name(connect: Connect, slow_resolver: None) -> None:
    """So is looking up the service's name, though nothing can interrupt that."""
    expect_timeout(connect("http://slow.test", SHORT))


def test_slow_answer_on_a_used_connection(connect: Connect) -> None:
    """Each request has all of the time, also on a connection that another one has opened."""
    with RawService(hang_on_second) as service:
        sender = connect(service.url, LONGER)
        assert sender.send().status == 200
        expect_timeout(sender, LONGER)
        assert len(service.connections) == 1


def test_slow_requests_side_by_side(connect: Connect) -> None:
    """One slow answer costs its own request only."""
    numbers = iter([0, 1, 2])

    def answer_two(connection: RawConnection) -> None:
        while connection.receive():
            if next(numbers) == 1:
                connection.hang()
            connection.send(answer_with())

    with RawService(answer_two) as service:
        outcomes = connect(service.url, LONGER).begin(*MANY).result(DEADLINE_S)
    assert ["Response", "Response", "TransportError"] == sorted(type(outcome).__name__ for outcome in outcomes)


def test_the_library_has_time_limits_of_its_own(connect: Connect) -> None:
    """Those that the program sets for single operations hold, too."""
    with RawService(RawConnection.hang) as service:
        outcome = connect(service.url, timeout=0.1).send()
    assert str(outcome).endswith(": ReadTimeout") or "ReadTimeout: " in str(outcome)


# ---- closing meanwhile


@contextmanager
def hanging(phase: str) -> Iterator[tuple[str, RawService | None]]:
    """Return the URL of a service where requests get as far as a phase."""
    if phase == "connect":
        with unreachable_port() as port:
            yield f"http://127.0.0.1:{port}", None
        return
    handle = SLOW["drips a body"] if phase == "body" else RawConnection.hang
    with RawService(handle) as service:
        yield f"{'https' if phase == 'handshake' else 'http'}://127.0.0.1:{service.port}", service


@pytest.mark.parametrize("requests", [1, 3])
@pytest.mark.parametrize("phase", ["connect", "handshake", "headers", "body"])
def test_close_while_a_request_hangs(new_threads: NewThreads, connect: Connect, phase: str, requests: int) -> None:
    """Closing ends requests at once, wherever they are; afterwards there is no socket and no thread of them."""
    with hanging(phase) as (url, service):
        before = count_sockets(url)
        sender = connect(url)
        sending = sender.begin(*[HEALTH] * requests)
        if service is None:
            time.sleep(0.1)
        else:
            service.await_connections(requests)
            time.sleep(0.05)
        begin = time.monotonic()
        sender.close()
        outcomes = sending.result(DEADLINE_S)
        assert time.monotonic() - begin < 1
        assert before == await_sockets(url, before)
        assert [] == new_threads.await_none()
    assert [TransportError] * requests == [type(outcome) for outcome in outcomes]
    assert all("broken off by the client itself" in str(outcome) for outcome in outcomes)


def test_close_while_a_name_is_looked_up(connect: Connect, slow_resolver: None) -> None:
    """Closing does not wait for an answer to who the service is."""
    sender = connect("http://slow.test")
    sending = sender.begin(HEALTH)
    time.sleep(0.1)
    begin = time.monotonic()
    sender.close()
    assert "broken off by the client itself" in str(sending.result(DEADLINE_S)[0])
    assert time.monotonic() - begin < 1


def test_close_twice_and_from_many_threads(connect: Connect) -> None:
    """Closing may be repeated, and happen at the same time."""
    with RawService(RawConnection.hang) as service:
        sender = connect(service.url)
        sending = sender.begin(HEALTH)
        service.await_connections()
        closings = [sender.driver.begin(sender.native.close) for _ in range(5)]
        assert [None] * 5 == [closing.result(DEADLINE_S) for closing in closings]
        sender.close()
        assert isinstance(sending.result(DEADLINE_S)[0], TransportError)
        assert isinstance(sender.send(), TransportError)


def test_idle_connections_are_closed(connect: Connect) -> None:
    """Closing also ends connections that wait for the next request."""
    with RawService(always(answer_with())) as service:
        before = count_sockets(service.url)
        sender = connect(service.url)
        sender.begin(*MANY).result(DEADLINE_S)
        assert count_sockets(service.url) > before
        sender.close()
        assert before == await_sockets(service.url, before)


def test_reset_while_a_request_hangs(connect: Connect) -> None:
    """A reset ends the requests in flight as well; the next ones are sent as ever."""
    numbers = iter(range(9))

    def hang_first(connection: RawConnection) -> None:
        while connection.receive():
            if next(numbers) == 0:
                connection.hang()
            connection.send(answer_with())

    with RawService(hang_first) as service:
        sender = connect(service.url)
        sending = sender.begin(HEALTH)
        service.await_connections()
        time.sleep(0.05)
        sender.driver.run(sender.native.reset)
        assert isinstance(sending.result(DEADLINE_S)[0], TransportError)
        assert sender.send().status == 200


# ---- TLS


def test_tls(connect: Connect) -> None:
    """Over TLS requests are sent, and ended in time, as ever; connections are used again."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with RawService(hang_on_second, context) as service:
        sender = connect(service.url, LONGER, verify=trusting)
        assert sender.send().status == 200
        expect_timeout(sender, LONGER)
        assert len(service.connections) == 1
    with RawService(RawConnection.hang, context) as service:
        sender = connect(service.url, verify=trusting)
        sending = sender.begin(HEALTH)
        service.await_connections()
        time.sleep(0.1)
        sender.close()
        assert "broken off by the client itself" in str(sending.result(DEADLINE_S)[0])
