"""Bodies in very many chunks, which take long to read, beside others."""

import socket
import sys
import time

import pytest

from heksher.server.http.connection import Connection
from tests.support.raw_client import connecting
from tests.support.serving import serving

HEAD = b"POST /%d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKS = 30_000
BODY = b"1\r\nx\r\n" * CHUNKS + b"0\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.fixture(autouse=True, params=["uvloop", "asyncio"])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each loop on which the server runs."""
    if request.param == "asyncio":
        monkeypatch.setitem(sys.modules, "uvloop", None)


async def measure(scope, receive, send) -> None:
    """Answer with the path and the size of the body."""
    size, is_more = 0, True
    while is_more:
        message = await receive()
        size += len(message.get("body", b""))
        is_more = message.get("more_body", False)
    await answer(send, b"%b %d;" % (scope["raw_path"], size if message["type"] == "http.request" else -1))


async def answer_early(scope, _receive, send) -> None:
    """Answer with the path, without the body."""
    await answer(send, scope["raw_path"] + b";")


async def answer(send, body: bytes) -> None:
    fields = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})


def test_they_are_read_to_their_end_and_so_is_what_follows():
    """Several of them on one connection, which come at once."""
    with serving(measure) as (url, _), connecting(url) as client:
        client.send(*(HEAD % number + BODY for number in range(3)), LAST)
        text = client.read_to_end()
    assert [text.find(b"/%d %d;" % (number, CHUNKS)) > 0 for number in range(3)] == [True] * 3
    assert b"/last 0;" in text


def test_they_are_dropped_where_nobody_asks_for_them():
    """The next request is found behind them."""
    with serving(answer_early) as (url, _), connecting(url) as client:
        client.send(HEAD % 0 + BODY, LAST)
        assert b"/last;" in client.read_to_end()


def test_a_client_may_send_nothing_more_after_them():
    """Though the end of the connection comes before they are read."""
    with serving(measure) as (url, _), connecting(url) as client:
        client.send(HEAD % 0 + BODY)
        client.native.shutdown(socket.SHUT_WR)
        assert b"/0 %d;" % CHUNKS in client.read_to_end()


def test_a_body_without_an_end_is_no_body():
    """What was put off is read, and then it counts that nothing more comes."""
    with serving(measure) as (url, _), connecting(url) as client:
        client.send(HEAD % 0 + BODY[:-5])
        client.native.shutdown(socket.SHUT_WR)
        assert b"/0 -1;" in client.read_to_end()


def test_no_turn_of_the_loop_is_long(monkeypatch: pytest.MonkeyPatch):
    """However many connections have them: each is read a little, and the rest of all in turns."""
    longest_s = 0.0
    read = Connection._read

    def read_and_measure(connection: Connection, data: bytes, start: int) -> None:
        nonlocal longest_s
        begun_s = time.thread_time()
        read(connection, data, start)
        longest_s = max(longest_s, time.thread_time() - begun_s)

    monkeypatch.setattr(Connection, "_read", read_and_measure)
    with serving(measure) as (url, _), connecting(url) as client:
        client.send(HEAD % 0 + BODY, LAST)
        assert b"/0 %d;" % CHUNKS in client.read_to_end()
    # All of it takes about 25 ms; 200 chunks, a fraction of one.
    assert longest_s < 0.01
