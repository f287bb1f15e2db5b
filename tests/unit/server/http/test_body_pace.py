"""Clients that send their bodies slowly, and steadily enough."""

import re
import threading

import pytest

from heksher.server.http.http_limits import HttpLimits
from tests.support.raw_client import connecting
from tests.support.serving import serving

LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


async def answer_unread(_scope, _receive, send) -> None:
    """Answer before the body has come."""
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize(
    ("framing", "piece", "end"),
    [(b"Content-Length: 100", b"a", b""), (b"Transfer-Encoding: chunked", b"1\r\na\r\n", b"0\r\n\r\n")],
)
def test_the_rest_of_a_body_that_comes_quickly_enough_is_waited_for(framing: bytes, piece: bytes, end: bytes):
    """Though it was answered already, and is dropped; the next request is answered as well."""
    limits = HttpLimits(rate_s=0.4, least_body_bytes=1)
    with serving(answer_unread, limits=limits) as (url, _), connecting(url) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % framing)
        for _ in range(100):
            client.send(piece)
            threading.Event().wait(0.01)
        client.send(end, LAST)
        assert [b"404", b"404"] == re.findall(rb"HTTP/1.1 (\d+)", client.read_to_end())


def test_the_rest_of_a_body_that_comes_too_slowly_is_not():
    """It takes a place from others."""
    limits = HttpLimits(rate_s=0.2, least_body_bytes=1_000)
    with serving(answer_unread, limits=limits) as (url, _), connecting(url) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6000\r\n\r\n", b"a")
        assert [b"404"] == re.findall(rb"HTTP/1.1 (\d+)", client.read_to_end())
