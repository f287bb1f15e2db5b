"""Which connection makes room for another one, and when there is no room."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from heksher.server.http import linger, places
from heksher.server.http.http_limits import HttpLimits
from tests.support.connection_metrics import ConnectionMetrics
from tests.support.processes import DEADLINE_S
from tests.support.raw_client import RawClient, connecting
from tests.support.serving import serving
from tests.support.waiting import wait_until

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
HANG = b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n"
MUCH = b"GET /much HTTP/1.1\r\nHost: a\r\n\r\n"
BODY = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345"
FLOODS = 2
PLACES = 4


async def app(scope, receive, send) -> None:
    """Answer by the path: at once, with much, or not before the client is gone."""
    while (await receive()).get("more_body", False):
        pass
    if scope["path"] == "/hang":
        await receive()
        return
    size = {"/much": 50_000_000, "/some": 200_000}.get(scope["path"], 2)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
    await send({"type": "http.response.body", "body": b"\n" * size})


class Crowd:
    """Clients of a server that has few places.

    Attributes:
        metrics: what the server tells.
    """

    def __init__(self, url: str, metrics: ConnectionMetrics, stack: ExitStack) -> None:
        self.metrics = metrics
        self._url = url
        self._stack = stack
        self._count = 0

    def enter(self, request: bytes, *, is_answered: bool = False, buffer_bytes: int | None = None) -> RawClient:
        """Connect a client that sends this, and wait until it has its place."""
        client = self.knock(request, buffer_bytes)
        self._count += 1
        if is_answered:
            client.read_answers(1, b"\r\n\r\n")
        assert wait_until(lambda: self.metrics.connections >= min(self._count, PLACES))
        return client

    def knock(self, request: bytes, buffer_bytes: int | None = None) -> RawClient:
        """Connect a client that sends this, whether it gets a place or not."""
        client: RawClient = self._stack.enter_context(connecting(self._url, buffer_bytes=buffer_bytes))
        client.send(request)
        return client

    def ask(self) -> bytes:
        """Send one request on a connection of its own; return the answer."""
        # Until a connection may make room, others wait.
        with connecting(self._url) as client:
            client.send(LAST)
            return client.read_to_end()


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    metrics = ConnectionMetrics()
    limits = HttpLimits(max_connections=PLACES, head_s=60, body_s=60, rate_s=60, unread_s=60, keep_alive_s=60)
    with serving(app, limits=limits, metrics=metrics) as (url, _), ExitStack() as stack:
        yield Crowd(url, metrics, stack)


def test_the_first_to_make_room_has_taken_its_last_answer(crowd: Crowd, monkeypatch: pytest.MonkeyPatch):
    """Though its client stays, and others are idle for longer."""
    monkeypatch.setattr(linger, "_LINGER_S", 60.0)
    idle = crowd.enter(GET, is_answered=True)
    for _ in range(PLACES - 1):
        crowd.enter(LAST + b"x", is_answered=True)
    # Nothing tells that it was noticed.
    threading.Event().wait(0.3)
    for number in range(1, PLACES):
        assert b"200 OK" in crowd.ask()
        assert {"room": number} == crowd.metrics.ended
        assert wait_until(lambda: crowd.metrics.connections == PLACES - 1)
        crowd.enter(HANG)
    idle.send(GET)
    assert b"200 OK" in idle.read_answers(1, b"\r\n\r\n")


def test_the_last_to_make_room_have_not_taken_it(crowd: Crowd, monkeypatch: pytest.MonkeyPatch):
    """They are slow, and the system has all that was sent to them."""
    monkeypatch.setattr(linger, "_LINGER_S", 60.0)
    for _ in range(PLACES - 1):
        crowd.enter(HANG)
    slow = crowd.enter(b"", buffer_bytes=16_384)
    slow.send(b"GET /some HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nx")
    assert b"200 OK" in slow.native.recv(100)
    assert wait_until(lambda: b"200 OK" in crowd.ask(), poll_s=0.1)
    assert 1 == crowd.metrics.ended["room"]


@pytest.mark.parametrize("incomplete", [b"", b"GET / HT", BODY])
def test_the_oldest_without_a_complete_request_makes_room_first(
    crowd: Crowd, incomplete: bytes, monkeypatch: pytest.MonkeyPatch
):
    """Though others are idle for longer."""
    monkeypatch.setattr(places, "_GRACE_S", 0.0)
    monkeypatch.setattr(places, "_GRACE_TURNS", 0)
    crowd.enter(GET, is_answered=True)
    oldest = crowd.enter(incomplete)
    crowd.enter(b"GET / HTTP")
    crowd.enter(HANG)
    assert b"200 OK" in crowd.ask()
    assert b"" == oldest.read_to_end()
    assert {"room": 1} == crowd.metrics.ended


def test_then_the_longest_idle_one_makes_room(crowd: Crowd):
    """Each request that is answered begins the time anew."""
    first = crowd.enter(GET, is_answered=True)
    second = crowd.enter(GET, is_answered=True)
    for _ in range(2):
        crowd.enter(HANG)
    first.send(GET)
    first.read_answers(1, b"\r\n\r\n")
    assert b"200 OK" in crowd.ask()
    # Nothing but the rest of its answer comes before the end.
    assert set(second.read_to_end()) <= set(b"\n")
    first.send(GET)
    assert b"200 OK" in first.read_answers(1, b"\r\n\r\n")


def test_then_one_whose_client_does_not_read(crowd: Crowd, monkeypatch: pytest.MonkeyPatch):
    """It has had a while for that; until then it is as busy as the others."""
    monkeypatch.setattr(places, "_UNREAD_GRACE_S", 1.5)
    for _ in range(PLACES - 1):
        crowd.enter(HANG)
    crowd.enter(MUCH, is_answered=True)
    assert b"503" in crowd.ask()
    assert wait_until(lambda: b"200 OK" in crowd.ask(), poll_s=0.1)


def test_when_all_are_busy_one_more_is_refused(crowd: Crowd):
    """With the time after which to come back, and the remedy; those that are busy are left alone."""
    busy = [crowd.enter(HANG) for _ in range(PLACES)]
    answer = crowd.ask()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in answer
    assert b"HEKSHER_MAX_CONNECTIONS" in answer
    assert {"full": 1} == crowd.metrics.ended
    busy[0].native.close()
    assert wait_until(lambda: b"200 OK" in crowd.ask())


def test_a_flood_that_sends_nothing_shuts_nobody_out(crowd: Crowd):
    """What a client sends at once is read before its connection has to make room."""
    stopping = threading.Event()

    def flood() -> None:
        # As many as are let in, for each place: of more the system would keep a queue that takes seconds.
        while not stopping.wait(FLOODS * places._GRACE_S / PLACES):
            crowd.knock(b"G")

    floods = [threading.Thread(target=flood) for _ in range(FLOODS)]
    for thread in floods:
        thread.start()
    try:
        assert all(b"200 OK" in crowd.ask() for _ in range(20))
    finally:
        stopping.set()
        for thread in floods:
            thread.join(DEADLINE_S)
    assert crowd.metrics.connections <= PLACES
