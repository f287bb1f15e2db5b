"""Connections: in which order requests are answered, and how a connection ends that takes too much."""

import asyncio
import gc
import re
import threading
import time
import weakref
from contextlib import suppress

import pytest

from heksher.server.http.connection import Connection
from heksher.server.http.http_limits import HttpLimits
from heksher.server.queries.stream import ABORT_EXTENSION
from tests.support.connection_metrics import ConnectionMetrics
from tests.support.processes import DEADLINE_S
from tests.support.raw_client import connecting
from tests.support.serving import serving
from tests.support.waiting import wait_until

# More than the buffers of both sides take.
LARGE = 50_000_000
PIECE = 10_000
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
PATIENT = {"head_s": 3600, "body_s": 3600, "rate_s": 3600, "unread_s": 3600, "keep_alive_s": 3600}


async def read_body(receive) -> bytes:
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            return body
    raise ConnectionError


async def answer(send, body: bytes, status: int = 200) -> None:
    fields = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def echo(scope, receive, send) -> None:
    """Answer with the path and the body, if all of it comes."""
    with suppress(ConnectionError):
        await answer(send, scope["raw_path"] + b" " + await read_body(receive) + b"\n")


async def answer_much(_scope, _receive, send) -> None:
    await answer(send, b"x" * LARGE)


async def answer_unread(_scope, _receive, send) -> None:
    """Answer before the body has come."""
    await answer(send, b"no\n", 404)


async def answer_never(_scope, receive, _send) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_and_abort(scope, _receive, send) -> None:
    """Say much, and then cut off the connection without waiting for the client."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * LARGE, "more_body": True})
    scope["extensions"][ABORT_EXTENSION]()


@pytest.fixture
def metrics() -> ConnectionMetrics:
    return ConnectionMetrics()


def limit(**times) -> HttpLimits:
    """Limits of which only these can be met in a test."""
    return HttpLimits(**PATIENT | times)


def test_a_connection_can_be_cut_off_whose_client_does_not_read():
    """What waits to be sent is dropped: the client sees the end before it has everything."""
    with serving(send_and_abort) as (url, _), connecting(url) as client:
        client.send(GET)
        assert 0 < len(client.read_to_end()) < LARGE


def test_requests_that_come_at_once_are_answered_in_their_order():
    """With and without bodies, of whichever kind."""
    requests = [
        b"POST /%d HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc" % number
        if number % 2
        else b"POST /%d HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n" % number
        for number in range(100)
    ]
    with serving(echo) as (url, _), connecting(url) as client:
        client.send(*requests, LAST)
        bodies = re.findall(rb"^/(\d+) abc?$", client.read_to_end(), re.MULTILINE)
    assert [b"%d" % number for number in range(100)] == bodies


@pytest.mark.parametrize("gap", [1, 20, 60])
def test_requests_may_come_in_pieces(gap: int):
    """While others are answered."""
    data = (GET + b"POST /p HTTP/1.1\r\nContent-Length: 4\r\n\r\n\r\n\r\n") * 5 + LAST
    with serving(echo) as (url, _), connecting(url) as client:
        for start in range(0, len(data), gap):
            client.send(data[start : start + gap])
        assert 11 == client.read_to_end().count(b"HTTP/1.1 200 OK")


def test_a_client_that_does_not_read_is_not_read_either(monkeypatch: pytest.MonkeyPatch):
    """Requests after an answer that it has not taken stay with it: they take no memory here."""
    monkeypatch.setattr("heksher.server.run.GRACEFUL_SHUTDOWN_S", 0.1)
    with serving(answer_much, limits=limit()) as (url, _), connecting(url, timeout_s=0.5) as client:
        assert client.flood(GET * 10_000, 200) < 200 * 10_000 * len(GET)


def test_requests_are_freed_with_their_connection():
    """Those that were answered, and those that were not yet read: no garbage collector is needed."""
    connections: weakref.WeakSet[Connection] = weakref.WeakSet()

    class Watched(Connection):
        __slots__ = ("__weakref__",)

        def __init__(self, *arguments) -> None:
            super().__init__(*arguments)
            connections.add(self)

    with pytest.MonkeyPatch.context() as patch, serving(echo) as (url, _):
        patch.setattr("heksher.server.http.http_server.Connection", Watched)
        gc.disable()
        try:
            with connecting(url) as client:
                client.send(GET * 1000)
                client.read_answers(10, b"/ \n")
                assert 1 == len(connections)
            with connecting(url) as client:
                client.send(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na")
            assert wait_until(lambda: not connections)
        finally:
            gc.enable()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /%s HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nX: %s\r\n\r\n", b"431"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: %s\r\n\r\n", b"431"),
    ],
)
def test_a_head_that_is_too_large_is_refused_and_the_connection_closed(head: bytes, status: bytes):
    """The client is told, though it goes on sending."""
    with serving(echo) as (url, _), connecting(url) as client:
        client.send(head.replace(b"%s", b"a" * 200_000))
        received = client.read_to_end()
    assert received.startswith(b"HTTP/1.1 " + status)
    assert b"connection: close" in received
    assert b"65536 bytes" in received


def test_a_head_within_the_limit_is_answered():
    """With a URL of 60 kB, too."""
    target = b"/" + b"a" * 60_000
    with serving(echo) as (url, _), connecting(url) as client:
        client.send(b"GET %s HTTP/1.1\r\nConnection: close\r\n\r\n" % target)
        assert target in client.read_to_end()


def test_what_is_no_http_is_refused():
    """After the requests before it were answered."""
    with serving(echo) as (url, _), connecting(url) as client:
        client.send(GET, b"nothing\r\n\r\n")
        received = client.read_to_end()
    assert [b"200", b"400"] == re.findall(rb"HTTP/1.1 (\d+)", received)


@pytest.mark.parametrize("start", [b"", b"G", GET[:-1], GET + GET[:10]])
def test_a_head_that_does_not_come_in_time_ends_the_connection(start: bytes):
    """One that has begun is answered 408."""
    with serving(echo, limits=limit(head_s=0.1)) as (url, _), connecting(url) as client:
        client.send(start)
        received = client.read_to_end()
    expected = {b"": [], GET + GET[:10]: [b"200", b"408"]}.get(start, [b"408"])
    assert expected == re.findall(rb"HTTP/1.1 (\d+)", received)


def test_a_head_that_trickles_ends_as_well():
    """Each byte of it does not begin the time anew."""
    started_s = time.monotonic()
    with serving(echo, limits=limit(head_s=0.2)) as (url, _), connecting(url, 0.01) as client:
        received = b""
        client.send(b"GET /")
        while not received and time.monotonic() - started_s < DEADLINE_S:
            client.flood(b"a", 1)
            try:
                received = client.native.recv(1000)
            except TimeoutError:
                continue
    assert received.startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("times", [{"body_s": 0.1}, {"rate_s": 0.1}])
def test_a_body_that_does_not_come_in_time_ends_the_connection(times: dict[str, float]):
    """It is as if the client were gone: the application does not take a part of a body for the whole."""
    with serving(echo, limits=limit(**times)) as (url, _), connecting(url) as client:
        client.send(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n12345")
        assert [b"408"] == re.findall(rb"HTTP/1.1 (\d+)", client.read_to_end())


def test_a_body_that_comes_quickly_enough_is_waited_for():
    """Though it takes longer than the time over which the rate is measured."""
    with serving(echo, limits=limit(rate_s=0.2, least_body_bytes=5)) as (url, _), connecting(url) as client:
        client.send(b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 60\r\n\r\n")
        for _ in range(60):
            client.send(b"a")
            threading.Event().wait(0.01)
        assert b"a" * 60 in client.read_to_end()


def test_the_rest_of_a_body_must_come_in_time_after_the_answer_too():
    """The connection is closed then."""
    with serving(answer_unread, limits=limit(body_s=0.1)) as (url, _), connecting(url) as client:
        client.send(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n12345")
        assert [b"404"] == re.findall(rb"HTTP/1.1 (\d+)", client.read_to_end())


def test_the_rest_of_a_body_is_read_after_its_answer():
    """However large it is; then the next request is answered."""
    with serving(answer_unread, limits=limit()) as (url, _), connecting(url) as client:
        client.send(b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n", b"a" * 1_000_000, LAST)
        assert 2 == client.read_to_end().count(b"no\n")


def test_a_client_that_takes_nothing_of_its_answer_is_ended(metrics: ConnectionMetrics):
    """After a while; what has come until then is all that it gets."""
    with serving(answer_much, limits=limit(unread_s=0.2), metrics=metrics) as (url, _), connecting(url) as client:
        client.send(GET)
        assert wait_until(lambda: metrics.ended["unread"] == 1)
        assert len(client.read_to_end()) < LARGE


def test_little_is_copied_for_a_client_that_reads_nothing():
    """The system would take up to megabytes for each, and others would wait meanwhile."""
    sent = [0]
    metrics = ConnectionMetrics()

    async def count_sent(_scope, _receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not metrics.ended:
            await send({"type": "http.response.body", "body": b"x" * PIECE, "more_body": True})
            sent[0] += PIECE

    with serving(count_sent, limits=limit(unread_s=0.3), metrics=metrics) as (url, _), connecting(url) as client:
        client.send(GET)
        assert wait_until(lambda: metrics.ended["unread"] == 1)
        assert PIECE < sent[0] < 1_000_000


def test_a_client_that_reads_slowly_gets_its_answer():
    """Each part that it takes begins the time anew."""
    with serving(answer_much, limits=limit(unread_s=0.3)) as (url, _), connecting(url) as client:
        client.send(LAST)
        size = 0
        while part := client.native.recv(1 << 20):
            size += len(part)
            if size % 8 == 0:
                threading.Event().wait(0.02)
        assert size > LARGE


def test_a_connection_that_is_closed_does_not_wait_for_its_client(metrics: ConnectionMetrics):
    """The end of an answer that nobody takes does not keep it."""
    with serving(answer_much, limits=limit(unread_s=0.2), metrics=metrics) as (url, _), connecting(url) as client:
        client.send(LAST)
        assert wait_until(lambda: metrics.ended["unread"] == 1)
        assert client.native.recv(1)


def test_an_idle_connection_is_closed():
    """After its time, and without a word."""
    with serving(echo, limits=limit(keep_alive_s=0.1)) as (url, _), connecting(url) as client:
        client.send(GET)
        assert client.read_to_end().endswith(b"\r\n\r\n/ \n")


@pytest.mark.parametrize(
    ("framing", "body", "expected"),
    [
        (b"", b"", b""),
        (b"Content-Length: 3\r\n", b"abc", b"abc"),
        (b"Content-Length: 0\r\n", b"", b""),
        (b"Transfer-Encoding: chunked\r\n", b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", b"abc"),
        (b"Content-Length: 27\r\n", b"GET /smuggled HTTP/1.1\r\n\r\n\n", b"GET /smuggled HTTP/1.1\r\n\r\n\n"),
    ],
)
@pytest.mark.parametrize("is_at_once", [True, False])
@pytest.mark.parametrize("method", [b"POST", b"GET", b"HEAD", b"OPTIONS", b"DELETE"])
def test_another_protocol_is_not_spoken(
    method: bytes, framing: bytes, body: bytes, expected: bytes, *, is_at_once: bool
):
    """The request is answered in this one, with its body, and the next one after it; Java's and curl's clients ask."""
    fields = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" + framing
    request = method + b" /first HTTP/1.1\r\n" + fields + b"\r\n" + body
    seen: list[tuple[str, bytes, bytes]] = []

    async def note(scope, receive, send) -> None:
        seen.append((scope["method"], scope["raw_path"], await read_body(receive)))
        await answer(send, b"")

    with serving(note) as (url, _), connecting(url) as client:
        for part in [request] if is_at_once else [request[:30], request[30:-1], request[-1:]]:
            client.send(part)
            time.sleep(0 if is_at_once else 0.05)
        client.send(LAST)
        assert 2 == client.read_to_end().count(b"HTTP/1.1 200 OK")
    assert [(method.decode(), b"/first", expected), ("GET", b"/last", b"")] == seen


def test_a_body_of_unknown_framing_is_refused_beside_another_protocol():
    """As it is without that."""
    fields = b"Connection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: identity\r\n"
    with serving(echo) as (url, _), connecting(url) as client:
        client.send(b"POST /first HTTP/1.1\r\n" + fields + b"\r\nabc")
        assert client.read_to_end().startswith(b"HTTP/1.1 400 ")


def test_the_oldest_large_requests_end_when_all_hold_too_much(metrics: ConnectionMetrics):
    """Those that are complete do not, and small ones do not."""
    head = b"POST /%d HTTP/1.1\r\nConnection: close\r\nContent-Length: 500000\r\n\r\n"
    with serving(echo, limits=limit(max_pending_bytes=1_000_000), metrics=metrics) as (url, _):
        with connecting(url) as old, connecting(url) as small, connecting(url) as new:
            small.send(head % 1, b"a" * 1000)
            old.send(head % 2, b"a" * 450_000)
            assert wait_until(lambda: metrics.held_bytes > 440_000)
            new.send(head % 3, b"a" * 450_000)
            assert wait_until(lambda: metrics.held_bytes > 890_000)
            with connecting(url) as newest:
                newest.send(head % 4, b"a" * 500_000)
                assert b"/4 aaa" in newest.read_to_end()
            assert old.read_to_end().startswith(b"HTTP/1.1 503 ")
            new.send(b"a" * 50_000)
            assert b"/3 aaa" in new.read_to_end()
            small.send(b"a" * 499_000)
            assert b"/1 aaa" in small.read_to_end()
        assert wait_until(lambda: metrics.held_bytes == 0)


def test_a_body_does_not_count_as_waiting_once_its_answer_has_begun(metrics: ConnectionMetrics):
    """A stream, whose answer never ends, would keep others from being read."""

    async def stream(_scope, receive, send) -> None:
        await read_body(receive)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first\n", "more_body": True})
        await receive()

    with serving(stream, limits=limit(), metrics=metrics) as (url, _), connecting(url) as client:
        client.send(b"POST / HTTP/1.1\r\nContent-Length: 50000\r\n\r\n", b"a" * 49_000)
        assert wait_until(lambda: metrics.held_bytes == 49_000)
        client.send(b"a" * 1000)
        client.read_answers(1, b"first")
        assert wait_until(lambda: metrics.held_bytes == 0)


def test_an_application_is_told_when_its_client_is_gone():
    """Whether the client closes the connection, or the service does."""
    told = threading.Event()

    async def wait(_scope, receive, _send) -> None:
        await read_body(receive)
        await receive()
        told.set()

    with serving(wait) as (url, _), connecting(url) as client:
        client.send(GET)
        threading.Event().wait(0.05)
        client.native.close()
        assert told.wait(DEADLINE_S)


def test_running_requests_are_cut_off_at_the_end(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    """When their time is over; the log says how many."""
    monkeypatch.setattr("heksher.server.run.GRACEFUL_SHUTDOWN_S", 0.1)
    cancelled = threading.Event()

    async def hang(_scope, _receive, _send) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with serving(hang) as (url, _), connecting(url) as client:
        client.send(GET)
        threading.Event().wait(0.1)
    assert cancelled.is_set()
    assert any(text.startswith("1 requests are cut off") for text in caplog.messages)
