"""Empty lines where a request could begin."""

import re

import pytest

from heksher.server.http.http_limits import HttpLimits
from tests.support.connection_metrics import ConnectionMetrics
from tests.support.raw_client import connecting
from tests.support.serving import serving
from tests.support.waiting import wait_until

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na"


async def app(_scope, _receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.mark.parametrize("first", [b"", GET, POST])
@pytest.mark.parametrize("is_at_once", [True, False])
@pytest.mark.parametrize("lines", [b"\r", b"\r\n", b"\r\n\r\n\r"])
def test_they_are_no_request(first: bytes, lines: bytes, *, is_at_once: bool):
    """The connection is idle, and ends as such: without a word."""
    metrics = ConnectionMetrics()
    limits = HttpLimits(head_s=0.2, keep_alive_s=0.3)
    with serving(app, limits=limits, metrics=metrics) as (url, _), connecting(url) as client:
        received = b""
        if is_at_once or not first:
            client.send(first, lines)
        else:
            client.send(first)
            received = client.read_answers(1, b"ok")
            client.send(lines)
        received += client.read_to_end()
        assert wait_until(lambda: metrics.connections == 0)
    assert [b"200"] * bool(first) == re.findall(rb"HTTP/1.1 (\d+)", received)
    assert not metrics.ended


def test_the_next_request_is_answered_after_them():
    """However many there are, as long as they are fewer than a head may have bytes."""
    with serving(app, limits=HttpLimits(keep_alive_s=60)) as (url, _), connecting(url) as client:
        client.send(GET, b"\r\n" * 100)
        client.read_answers(1, b"ok")
        client.send(b"\r\n", LAST)
        assert client.read_to_end().endswith(b"\r\n\r\nok")


def test_what_begins_after_them_has_its_time():
    """And is told when that is over."""
    with serving(app, limits=HttpLimits(head_s=0.2)) as (url, _), connecting(url) as client:
        client.send(GET, b"\r\n")
        client.read_answers(1, b"ok")
        client.send(b"GET /")
        assert client.read_to_end().startswith(b"HTTP/1.1 408 ")
