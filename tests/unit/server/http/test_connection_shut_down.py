"""What becomes of connections when the service stops."""

import re
import threading
import time

import pytest

from heksher.server.http import linger
from tests.support.connection_metrics import ConnectionMetrics
from tests.support.processes import DEADLINE_S
from tests.support.raw_client import connecting
from tests.support.serving import serving
from tests.support.waiting import wait_until

GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /%b HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345"


class Doer:
    """Answers each request without reading its body, and notes its path."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def __call__(self, scope, _receive, send) -> None:
        self.done.append(scope["path"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture(autouse=True)
def short_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linger, "_LINGER_S", 0.3)


@pytest.mark.parametrize("rest", [b"", b"67890", b"67890" + GET % b"more"])
def test_who_was_answered_before_the_body_had_come_is_not_waited_for(rest: bytes):
    """What comes after the body is not performed, and the stop takes no longer than its client's last moment."""
    doer = Doer()
    with serving(doer) as (url, server), connecting(url) as client:
        client.send(POST % b"first")
        received = client.read_answers(1, b"\r\n\r\n")
        started_s = time.monotonic()
        server.stop()
        client.native.settimeout(DEADLINE_S)
        received += client.read_to_end()
        for piece in (rest, GET % b"more", POST % b"more"):
            client.flood(piece, 1)
            threading.Event().wait(0.02)
    assert time.monotonic() - started_s < 2
    assert [b"204"] == re.findall(rb"HTTP/1.1 (\d+)", received)
    assert ["/first"] == doer.done


@pytest.mark.parametrize("start", [b"", GET % b"first"])
def test_who_was_refused_has_a_moment_to_read_why(start: bytes):
    """As without the stop."""
    metrics = ConnectionMetrics()
    with serving(Doer(), metrics=metrics) as (url, server), connecting(url) as client:
        client.send(start)
        if start:
            client.read_answers(1, b"\r\n\r\n")
        client.send(b"nothing\r\n\r\n")
        assert wait_until(lambda: metrics.ended["malformed"] == 1)
        server.stop()
        started_s = time.monotonic()
        while client.flood(b"x", 1):
            threading.Event().wait(0.01)
        assert 0.2 < time.monotonic() - started_s < 2
        assert client.read_to_end().startswith(b"HTTP/1.1 400 ")


def test_a_request_that_is_on_its_way_is_answered():
    """On a connection that was kept, and on one that is new; the answer says that it is the last."""
    doer = Doer()
    with serving(doer) as (url, server), connecting(url) as kept, connecting(url) as new:
        kept.send(GET % b"first")
        kept.read_answers(1, b"\r\n\r\n")
        # Its half is there when the server is told to stop, so the connection is known to it.
        new.send((GET % b"new")[:5])
        threading.Event().wait(0.05)
        server.stop()
        threading.Event().wait(0.05)
        new.send((GET % b"new")[5:])
        kept.send(GET % b"kept")
        assert [1, 1] == [client.read_to_end().count(b"204 No Content") for client in (kept, new)]
    assert {"/first", "/kept", "/new"} == set(doer.done)


def test_an_idle_connection_ends_at_once():
    """And the answer that is under way says that it is the last."""
    may_answer, started = threading.Event(), threading.Event()

    async def app(_scope, receive, send) -> None:
        while (await receive()).get("more_body", False):
            started.set()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        may_answer.set()

    with serving(app) as (url, server), connecting(url) as idle, connecting(url) as busy:
        idle.send(GET % b"")
        idle.read_answers(1, b"\r\n\r\n")
        busy.send(POST % b"")
        assert started.wait(DEADLINE_S)
        server.stop()
        assert b"" == idle.read_to_end()
        busy.send(b"67890")
        assert b"connection: close" in busy.read_to_end()
