"""What is recorded of requests that are refused before, or in spite of, the application."""

import logging
import re
import socket
import struct
import threading
import time

import pytest

from heksher.server.app import Application
from heksher.server.config import Config
from heksher.server.http.http_limits import HttpLimits
from tests.support.asgi_call import read_metrics
from tests.support.catalogs import open_fragile
from tests.support.connection_metrics import ConnectionMetrics
from tests.support.processes import DEADLINE_S
from tests.support.raw_client import connecting
from tests.support.serving import serving
from tests.support.waiting import wait_until

POST = b"POST /api/v1/%b HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: a\r\nContent-Length: %d\r\n\r\n"
DELETE = b"DELETE /api/v1/rules/1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET /api/v1/query HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def app(caplog: pytest.LogCaptureFixture) -> Application:
    """A service that logs each request."""
    caplog.set_level(logging.INFO, "heksher.access")
    return Application(Config("unused", has_access_log=True), open_fragile())


def read_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the lines of requests, without their times."""
    return [
        re.sub(r" in \S+ ms ", " in ? ms ", record.getMessage())
        for record in caplog.records
        if record.name == "heksher.access"
    ]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nothing\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX\x1b[0m: a\r\n\r\n", 400),
        (b"GET /%s HTTP/1.1\r\n\r\n" % (b"a" * 70_000), 414),
        (b"GET / HTTP/1.1\r\nX: %s\r\n\r\n" % (b"a" * 70_000), 431),
        (b"GET / HTTP/1.1\r\n%s\r\n" % (b"a:\r\n" * 201), 431),
        (b"GET / HT", 408),
    ],
)
def test_a_request_that_is_not_read_is_recorded(
    app: Application, caplog: pytest.LogCaptureFixture, sent: bytes, status: int
):
    """In the form of all others, and once; nothing that was sent comes into the log."""
    with (
        serving(app.front, limits=HttpLimits(head_s=0.2), recorder=app.recorder) as (url, _),
        connecting(url) as client,
    ):
        client.send(sent)
        body = client.read_to_end().partition(b"\r\n\r\n")[2]
    assert [f"- - {status}, {len(body)} bytes in ? ms to 127.0.0.1"] == read_lines(caplog)
    assert {f'{{route="unmatched",status="{status}"}} 1.0'} == read_metrics(app)


@pytest.mark.parametrize("path", ["rules", "query", "stream", "settings/declare-many"])
def test_a_request_that_is_cut_off_is_recorded_with_the_answer_that_was_sent(
    app: Application, caplog: pytest.LogCaptureFixture, path: str
):
    """By its route, and once: the application's own answer is sent to nobody."""
    limits = HttpLimits(body_s=0.2)
    with serving(app.front, limits=limits, recorder=app.recorder) as (url, _), connecting(url) as client:
        client.send(GET, POST % (path.encode(), 10), b"12")
        assert b"HTTP/1.1 408 " in client.read_to_end()
        assert wait_until(lambda: len(read_lines(caplog)) == 2)
    assert re.fullmatch(rf"POST /api/v1/{path} 408, \d+ bytes in \? ms to 127.0.0.1", read_lines(caplog)[1])
    assert any(
        line.startswith(f'{{route="/api/v1/{path}",status="408"}} ') or path == "query" for line in read_metrics(app)
    )


@pytest.mark.parametrize("path", ["rules", "query"])
@pytest.mark.parametrize("end", [b"", b"345678}"])
def test_the_time_of_a_request_is_that_in_which_its_body_came_too(
    app: Application, caplog: pytest.LogCaptureFixture, path: str, end: bytes
):
    """Whichever step answers it, or if nobody does because it takes too long."""
    limits = HttpLimits(body_s=5 if end else 0.2)
    with serving(app.front, limits=limits, recorder=app.recorder) as (url, _), connecting(url) as client:
        client.send(POST % (path.encode(), 9), b"{2")
        if end:
            threading.Event().wait(0.2)
            client.send(end)
            client.read_answers(1, b"}")
        else:
            client.read_to_end()
        assert wait_until(lambda: read_lines(caplog))
    line = next(record.getMessage() for record in caplog.records if record.name == "heksher.access")
    assert re.match(rf"POST /api/v1/{path} 4", line)
    assert 190 < float(re.search(r" in (\S+) ms ", line)[1]) < 5000


def test_what_is_refused_for_want_of_room_is_recorded(
    app: Application, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    """Each connection once, though nothing of it is read."""
    monkeypatch.setattr("heksher.server.http.acceptor._FULL_S", 0.0)
    limits = HttpLimits(max_connections=1)
    service = serving(app.front, app.end_streams, limits=limits, recorder=app.recorder)
    with service as (url, _), connecting(url) as streaming:
        streaming.send(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        streaming.read_answers(1, b"event: change")
        with connecting(url) as client:
            assert client.read_to_end().startswith(b"HTTP/1.1 503 ")
    assert ["GET /api/v1/stream 200", "- - 503"] == [line.partition(",")[0] for line in read_lines(caplog)]
    assert '{route="unmatched",status="503"} 1.0' in read_metrics(app)


def test_what_is_no_http_is_counted_among_the_connections_that_were_ended():
    """After the requests before it were answered."""
    metrics = ConnectionMetrics()
    app = Application(Config("unused"), open_fragile())
    with serving(app.front, metrics=metrics) as (url, _), connecting(url) as client:
        client.send(GET, b"nothing\r\n\r\n")
        assert [b"200", b"400"] == re.findall(rb"HTTP/1.1 (\d+)", client.read_to_end())
    assert {"malformed": 1} == metrics.ended


def test_the_address_of_a_client_is_logged_though_it_is_gone(app: Application, caplog: pytest.LogCaptureFixture):
    """It was there when the connection was let in."""

    async def front(scope, receive, send) -> None:
        if scope["path"] == "/wait":
            # All others wait as well.
            blocked.set()
            time.sleep(0.2)  # noqa: ASYNC251 -- meant so
        await app.front(scope, receive, send)

    blocked = threading.Event()
    with serving(front, recorder=app.recorder) as (url, _), connecting(url) as busy:
        busy.send(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert blocked.wait(DEADLINE_S)
        with connecting(url) as gone:
            gone.send(GET)
            gone.native.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert wait_until(lambda: len(read_lines(caplog)) == 2)
    assert read_lines(caplog)[1].endswith(" to 127.0.0.1")


def test_an_answer_is_not_taken_for_that_to_the_request_after_it(app: Application, caplog: pytest.LogCaptureFixture):
    """Though that is refused before the application is done with this one."""
    with serving(app.front, recorder=app.recorder) as (url, _), connecting(url) as client:
        client.send(GET, b"nothing\r\n\r\n")
        client.read_to_end()
    assert ["GET /api/v1/query 200", "- - 400"] == [line.partition(",")[0] for line in read_lines(caplog)]


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (b"0\r\n\r\n\x00bad\r\n\r\n", ["DELETE /api/v1/rules/1 204", "- - 400"]),
        (b"0\r\n\r\n" + GET + b"\x00bad\r\n\r\n", ["DELETE /api/v1/rules/1 204", "GET /api/v1/query 200", "- - 400"]),
        (b"g\r\n\r\n", ["- - 400"]),
    ],
)
def test_what_was_done_is_recorded_so_and_what_is_malformed_after_it(
    app: Application, caplog: pytest.LogCaptureFixture, rest: bytes, expected: list[str]
):
    """Each once, as it was answered."""
    with serving(app.front, recorder=app.recorder) as (url, _), connecting(url) as client:
        client.send(DELETE + rest)
        answers = client.read_to_end()
    assert expected == [line.partition(",")[0] for line in read_lines(caplog)]
    assert [line[-3:].encode() for line in expected] == re.findall(rb"HTTP/1.1 (\d+)", answers)
