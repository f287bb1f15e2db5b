"""Clients that send nothing more after their requests, and still read."""

import asyncio
import re
import socket
import sys
import threading
from contextlib import contextmanager

import pytest

from heksher.server.app import Application
from heksher.server.config import Config
from heksher.server.http.http_limits import HttpLimits
from heksher.server.queries.stream import ABORT_EXTENSION
from tests.support.catalogs import open_fragile
from tests.support.connection_metrics import ConnectionMetrics
from tests.support.processes import DEADLINE_S
from tests.support.raw_client import connecting
from tests.support.serving import serving
from tests.support.waiting import wait_until

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
# More than the buffers of both sides take.
LARGE = 50_000_000


@pytest.fixture(autouse=True, params=["uvloop", "asyncio"])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each loop on which the server runs."""
    if request.param == "asyncio":
        monkeypatch.setitem(sys.modules, "uvloop", None)


@contextmanager
def half_closing(app, *pieces: bytes, **options):
    """Send to an application, and end that side; return the client."""
    with serving(app, **options) as (url, _), connecting(url) as client:
        client.send(*pieces)
        client.native.shutdown(socket.SHUT_WR)
        yield client


def make_app(size: int = 1, delay_s: float = 0.1):
    """Make an application that answers with the path, so often, and takes its time."""

    async def app(scope, receive, send) -> None:
        while (message := await receive()).get("more_body", False):
            pass
        if message["type"] == "http.request":
            await asyncio.sleep(delay_s)
            body = scope["raw_path"] * size
            fields = [(b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": 200, "headers": fields})
            await send({"type": "http.response.body", "body": body})

    return app


def test_what_has_come_is_answered():
    """Then the connection ends; the answer says so."""
    with half_closing(make_app(), b"POST /1 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc") as client:
        received = client.read_to_end()
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\nconnection: close\r\n\r\n/1")


@pytest.mark.parametrize("count", [2, 20])
def test_all_requests_that_have_come_are_answered(count: int):
    """In their order; one that is not complete is not."""
    chunked = b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    requests = [GET % number for number in range(count)]
    with half_closing(make_app(delay_s=0.01), chunked, *requests, b"GET /last HTTP/1.1\r\nHo") as client:
        received = client.read_to_end()
    assert [b"c", *(b"%d" % number for number in range(count))] == re.findall(rb"\r\n\r\n/(\w+?)(?:HTTP|$)", received)


def test_a_large_answer_is_sent_to_its_end():
    """Though it takes longer than the connection's own buffers."""
    with half_closing(make_app(LARGE // 10), GET % 1) as client:
        threading.Event().wait(0.3)
        assert b"/1" * (LARGE // 10) == client.read_to_end().partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("start", [b"", b"GET / HT", b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab"])
@pytest.mark.parametrize("first", [b"", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"])
def test_what_is_never_complete_is_not_waited_for(first: bytes, start: bytes):
    """The connection ends at once; the application is told, or never begins."""
    begun, told = threading.Event(), threading.Event()

    async def app(scope, receive, send) -> None:
        if b"transfer-encoding" in dict(scope["headers"]):
            await make_app()(scope, receive, send)
            return
        begun.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        told.set()

    with half_closing(app, first, start) as client:
        assert (1 if first else 0) == client.read_to_end().count(b"HTTP/1.1")
        assert told.wait(DEADLINE_S if begun.is_set() else 0) == begun.is_set()
        assert not (first and begun.is_set())


@pytest.mark.parametrize("first", [b"", GET % 1])
def test_a_stream_ends(first: bytes):
    """It would be one for ever to a client that is gone; what was sent before has arrived."""
    left = threading.Event()

    async def app(scope, receive, send) -> None:
        if scope["path"] != "/stream":
            await make_app()(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()

    with half_closing(app, first, b"GET /stream HTTP/1.1\r\n\r\n") as client:
        assert b"first" in client.read_to_end()
        assert left.wait(DEADLINE_S)


REST = {
    "blank": b"\r\n",
    "request": GET % 2,
    "start": b"GET / HT",
    "body": b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na",
}


@pytest.mark.parametrize("first", [b"", GET % 1], ids=["alone", "behind"])
@pytest.mark.parametrize("rest", REST)
@pytest.mark.parametrize("pause_s", [0, 0.1])
def test_a_stream_ends_whatever_was_sent_after_it(first: bytes, rest: str, pause_s: float):
    """With what it has to say first, and its last chunk; what came after it is answered then, if it is complete."""
    app, count = Application(Config("unused"), open_fragile()), 2 if rest == "request" else 1
    stream = b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with serving(app.front, app.end_streams) as (url, _), connecting(url) as client:
        client.send(first, stream, *([] if pause_s else [REST[rest]]))
        if pause_s:
            threading.Event().wait(pause_s)
            client.send(REST[rest])
        client.native.shutdown(socket.SHUT_WR)
        received = client.read_to_end()
    _, _, streamed = received.partition(b"text/event-stream")
    assert b"event: change" in streamed
    assert b"\r\n0\r\n\r\n" in streamed
    assert count + bool(first) == received.count(b"HTTP/1.1 ")


def test_what_follows_a_request_is_held_up_to_a_limit():
    """While that is answered; a client that sends on and on is not read any more."""
    metrics = ConnectionMetrics()

    async def app(scope, _receive, _send) -> None:
        await asyncio.sleep(1)
        scope["extensions"][ABORT_EXTENSION]()

    with serving(app, metrics=metrics) as (url, _), connecting(url, timeout_s=0.2) as client:
        assert client.flood(GET % 1 * 1000, 2000) < 30_000_000
        assert wait_until(lambda: metrics.held_bytes > 64 * 1024)
        assert metrics.held_bytes < 1024 * 1024


@pytest.mark.parametrize("sent", [b"", b"a"])
def test_what_was_begun_is_answered(sent: bytes):
    """Though its body never comes: the application did not wait for that."""
    begun, closed = threading.Event(), threading.Event()

    async def app(scope, receive, send) -> None:
        begun.set()
        await asyncio.to_thread(closed.wait, DEADLINE_S)
        await asyncio.sleep(0.05)
        await make_app()(scope, complete, send)

    async def complete() -> dict:
        return {"type": "http.request"}

    with serving(app) as (url, _), connecting(url) as client:
        client.send(b"DELETE /1 HTTP/1.1\r\nContent-Length: 3\r\n\r\n", sent)
        assert begun.wait(DEADLINE_S)
        client.native.shutdown(socket.SHUT_WR)
        closed.set()
        assert client.read_to_end().endswith(b"\r\nconnection: close\r\n\r\n/1")


def test_what_was_begun_and_is_slow_is_not_taken_for_a_slow_body():
    """Nothing more can come of that."""
    limits = HttpLimits(body_s=0.1, rate_s=0.1)

    async def app(scope, _receive, send) -> None:
        await asyncio.sleep(0.4)
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    with half_closing(app, b"DELETE /1 HTTP/1.1\r\nContent-Length: 3\r\n\r\n", limits=limits) as client:
        assert not (received := client.read_to_end()) or b" 204 " in received


def test_what_was_not_begun_is_not_done():
    """If a part of it never comes: nobody would learn that it was done."""
    done = []

    async def app(scope, receive, send) -> None:
        done.append(scope["method"])
        if scope["method"] == "GET":
            await make_app()(scope, receive, send)

    request = b"DELETE /2 HTTP/1.1\r\nContent-Length: 3\r\n\r\n"
    with half_closing(app, GET % 1, request) as client:
        assert 1 == client.read_to_end().count(b"HTTP/1.1")
    assert ["GET"] == done


def test_a_client_that_takes_nothing_is_ended():
    """As one that has closed nothing is."""
    metrics, limits = ConnectionMetrics(), HttpLimits(unread_s=0.2)
    with half_closing(make_app(LARGE), GET % 1, limits=limits, metrics=metrics):
        assert wait_until(lambda: metrics.ended["unread"] == 1)
        assert wait_until(lambda: metrics.connections == 0)


def test_an_idle_connection_ends_with_its_client():
    """Before its time."""
    metrics = ConnectionMetrics()
    with serving(make_app(delay_s=0), metrics=metrics) as (url, _), connecting(url) as client:
        client.send(GET % 1)
        client.read_answers(1, b"\r\n\r\n/1")
        client.native.shutdown(socket.SHUT_WR)
        assert b"" == client.read_to_end()
        assert wait_until(lambda: metrics.connections == 0)


def test_a_client_that_is_gone_costs_no_more_than_its_answer():
    """Once that is sent, or cannot be, the connection is gone, too."""
    metrics = ConnectionMetrics()
    with serving(make_app(LARGE), metrics=metrics) as (url, _):
        with connecting(url) as client:
            client.send(GET % 1)
            assert wait_until(lambda: metrics.connections == 1)
        assert wait_until(lambda: metrics.connections == 0)
