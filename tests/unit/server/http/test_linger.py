"""Answers that end a connection whose client may still be sending."""

import re
import socket
import sys
import threading

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


async def answer_much(_scope, _receive, send) -> None:
    fields = [(b"content-length", b"%d" % LARGE)]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": b"x" * LARGE})


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
