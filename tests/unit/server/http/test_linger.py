"""Answers that end a connection whose client may still be sending."""

import asyncio
import re
import socket
import sys
import threading
import time

import pytest

from heksher.server.http import linger
from heksher.server.http.http_limits import HttpLimits
from tests.support.connection_metrics import ConnectionMetrics
from tests.support.processes import DEADLINE_S
from tests.support.raw_client import RawClient, connecting
from tests.support.serving import serving
from tests.support.waiting import wait_until

# More than the buffers of both sides take.
LARGE = 20_000_000
GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
GARBAGE = b"nothing\r\n\r\n"
# What the buffers take, so that the server has nothing more to do with it.
SMALL = 200_000
UNSENT = {
    "expect": b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    "close": b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 5\r\n\r\n",
    "chunked": b"POST / HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
    "1.0": b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n",
}


@pytest.fixture(autouse=True, params=["uvloop", "asyncio"])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each loop on which the server runs; the moment after an answer is short."""
    monkeypatch.setattr(linger, "_LINGER_S", 0.1)
    if request.param == "asyncio":
        monkeypatch.setitem(sys.modules, "uvloop", None)


def make_app(size: int):
    """Make an application that answers with so much, and reads nothing."""

    async def app(_scope, _receive, send) -> None:
        fields = [(b"content-length", b"%d" % size)]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": b"x" * size})

    return app


answer_much = make_app(LARGE)
answer_some = make_app(SMALL)


def read_slowly(client: RawClient, sent: bytes = b"") -> int:
    """Read for at least 0.6 s, and send something at first; return the size of the answer's body."""
    received = bytearray()
    read = 0
    while part := client.native.recv(1 << 20):
        received += part
        if len(received) - read > 1 << 20:
            read = len(received)
            threading.Event().wait(0.03)
            if sent and len(received) < LARGE // 2:
                client.send(sent)
    return len(received.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("kind", UNSENT)
@pytest.mark.parametrize("sent", [b"", b"a"])
def test_a_client_that_reads_gets_all_of_its_answer(kind: str, sent: bytes):
    """However long that takes, and whether it sends its body meanwhile or not."""
    with serving(answer_much) as (url, _), connecting(url) as client:
        client.send(UNSENT[kind])
        assert LARGE == read_slowly(client, sent)


@pytest.mark.parametrize("times", [{"body_s": 0.2}, {"rate_s": 0.2}])
def test_who_reads_an_answer_may_send_the_body_after_it(times: dict[str, float]):
    """Where the connection goes on; the time for the body begins then."""
    with serving(answer_much, limits=HttpLimits(**times)) as (url, _), connecting(url) as client:
        client.send(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n")
        assert LARGE == read_slowly(client)


def test_what_follows_the_last_request_does_not_cut_its_answer_off():
    """Though it is never read."""
    with serving(answer_much) as (url, _), connecting(url) as client:
        client.send(GET * 3)
        assert LARGE == read_slowly(client, GET)


def test_a_client_that_does_not_read_is_ended():
    """After the time that all have."""
    metrics = ConnectionMetrics()
    with serving(answer_much, limits=HttpLimits(unread_s=0.5), metrics=metrics) as (url, _), connecting(url) as client:
        client.send(UNSENT["close"])
        assert not wait_until(lambda: metrics.ended["unread"] == 1, 0.3)
        assert wait_until(lambda: metrics.ended["unread"] == 1)
        assert wait_until(lambda: metrics.connections == 0)


def test_a_connection_ends_soon_after_its_answer():
    """Though its client goes on sending."""
    metrics = ConnectionMetrics()

    async def app(_scope, _receive, send) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"no"})

    with serving(app, metrics=metrics) as (url, _), connecting(url) as client:
        client.send(UNSENT["close"])
        assert re.search(rb" 404 .*\r\n\r\nno$", client.read_to_end(), re.DOTALL)
        assert wait_until(lambda: metrics.connections == 0)


def read_and_send(client: RawClient, step: int = 8_000) -> int:
    """Read slowly, and send something each time; return the size of the answer's body."""
    received = bytearray()
    while part := client.native.recv(step):
        received += part
        threading.Event().wait(0.01)
        client.flood(b"x", 1)
    return len(received.partition(b"\r\n\r\n")[2])


def send_until_the_end(client: RawClient, piece: bytes, longest_s: float = DEADLINE_S) -> float:
    """Send a piece each 10 ms until the connection has ended, or for so long; return how long that was."""
    started_s = time.monotonic()
    while client.flood(piece, 1) and time.monotonic() - started_s < longest_s:
        threading.Event().wait(0.01)
    return time.monotonic() - started_s


@pytest.mark.parametrize("request_", [GET + b"xx", GET * 2, UNSENT["close"]])
def test_a_slow_client_gets_what_the_system_has_of_its_answer(request_: bytes):
    """Though that takes long after all was written out, and what the client sends could have the connection reset."""
    with serving(answer_some) as (url, _), connecting(url, buffer_bytes=8_192) as client:
        client.send(request_)
        assert SMALL == read_and_send(client)


def test_a_slow_client_gets_its_answer_though_the_rest_of_its_body_is_malformed():
    """The connection would have gone on; it ends when the answer is read."""
    metrics = ConnectionMetrics()
    with serving(answer_some, metrics=metrics) as (url, _), connecting(url, buffer_bytes=8_192) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert client.native.recv(1)
        client.send(b"g\r\n")
        assert wait_until(lambda: metrics.ended["malformed"] == 1)
        assert SMALL == read_and_send(client)


def test_a_client_that_takes_nothing_of_what_the_system_has_is_ended():
    """After the time that a body may take."""
    metrics = ConnectionMetrics()
    with (
        serving(answer_some, limits=HttpLimits(body_s=0.4), metrics=metrics) as (url, _),
        connecting(url, buffer_bytes=8_192) as client,
    ):
        client.send(GET + b"xx")
        assert wait_until(lambda: metrics.connections == 1)
        assert not wait_until(lambda: metrics.connections == 0, 0.3)
        assert wait_until(lambda: metrics.connections == 0)


def test_who_sends_a_body_quickly_enough_may_send_all_of_it():
    """Many programs read their answer only then."""
    limits = HttpLimits(rate_s=1.0, least_body_bytes=1_000)
    with serving(make_app(2), limits=limits) as (url, _), connecting(url) as client:
        client.send(UNSENT["close"])
        assert send_until_the_end(client, b"x" * 100, 1.0) >= 1.0
        client.native.shutdown(socket.SHUT_WR)
        assert client.read_to_end().endswith(b"\r\n\r\nxx")


def test_who_sends_without_end_is_ended():
    """After the time that a body may take."""
    limits = HttpLimits(rate_s=1.0, least_body_bytes=1_000, body_s=0.4)
    with serving(make_app(2), limits=limits) as (url, _), connecting(url) as client:
        client.send(UNSENT["close"])
        assert 0.4 <= send_until_the_end(client, b"x" * 100) < DEADLINE_S


@pytest.mark.parametrize("times", [{"keep_alive_s": 0.1}, {}])
def test_a_client_that_is_refused_has_its_time_to_send(times: dict[str, float], monkeypatch: pytest.MonkeyPatch):
    """Also one whose connection was idle for nearly all of the time that it may."""
    monkeypatch.setattr(linger, "_LINGER_S", 0.4)
    with serving(make_app(2), limits=HttpLimits(**times)) as (url, _), connecting(url) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.read_answers(1, b"\r\n\r\nxx")
        threading.Event().wait(0.05)
        client.send(GARBAGE)
        assert 0.3 < send_until_the_end(client, b"x") < DEADLINE_S
        assert client.read_to_end().startswith(b"HTTP/1.1 400 ")


def test_who_is_refused_and_sends_nothing_more_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    """Nothing can have its connection reset."""
    monkeypatch.setattr(linger, "_LINGER_S", 60.0)
    metrics = ConnectionMetrics()
    with serving(make_app(2), metrics=metrics) as (url, _), connecting(url) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\n", b"Transfer-Encoding: chunked\r\n\r\ng\r\n")
        client.native.shutdown(socket.SHUT_WR)
        assert client.read_to_end().startswith(b"HTTP/1.1 400 ")
        assert wait_until(lambda: metrics.connections == 0)


def test_nothing_is_held_of_what_is_not_read_any_more(monkeypatch: pytest.MonkeyPatch):
    """Though its connection is still there."""
    monkeypatch.setattr(linger, "_LINGER_S", 60.0)
    metrics = ConnectionMetrics()
    may_answer = threading.Event()

    async def app(scope, receive, send) -> None:
        await asyncio.to_thread(may_answer.wait, DEADLINE_S)
        await make_app(2)(scope, receive, send)

    with serving(app, metrics=metrics) as (url, _), connecting(url) as client:
        client.send(GET, b"x" * 30_000)
        assert wait_until(lambda: metrics.held_bytes > 30_000)
        may_answer.set()
        client.read_answers(1, b"\r\n\r\nxx")
        assert wait_until(lambda: metrics.held_bytes == 0)
        assert 1 == metrics.connections


def test_what_comes_meanwhile_is_dropped_up_to_a_limit():
    """Then it is not read any more, and the answer goes on."""
    limits = HttpLimits(max_pending_bytes=1_000_000)
    with serving(answer_much, limits=limits) as (url, _), connecting(url, timeout_s=0.3) as client:
        client.send(b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 1000000000\r\n\r\n")
        assert client.native.recv(1)
        assert client.flood(b"x" * 100_000, 1000) < 50_000_000
        client.native.settimeout(DEADLINE_S)
        assert LARGE // 2 < len(client.read_to_end())


def test_a_client_that_closes_its_side_meanwhile_gets_the_rest():
    """And the connection ends with it."""
    with serving(answer_much) as (url, _), connecting(url) as client:
        client.send(UNSENT["close"])
        assert client.native.recv(1)
        client.native.shutdown(socket.SHUT_WR)
        assert LARGE == read_slowly(client)
