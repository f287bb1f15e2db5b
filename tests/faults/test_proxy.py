"""The proxy itself: that it passes everything on, and that what it calls a fault is one.

What a client makes of a fault shows that most of them are made. Here are those that a client is not to notice, and what
the others rest on.
"""

import socket
import time
import zlib
from collections.abc import Iterator

import httpx2
import pytest

from tests.support.fake_service import DEADLINE_S, FakeService
from tests.support.fault_actions import ACTIONS, BOMB_BYTES, SLOW_S, TIMEOUT_S
from tests.support.fault_proxy import FaultProxy, answer_from, forward_to

HEALTH = "/api/health"
HEAD = f"GET {HEALTH} HTTP/1.1\r\nhost: x\r\n\r\n".encode()


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    """A proxy in front of a fake service."""
    with FaultProxy(answer_from(FakeService("a").handle)) as proxy:
        yield proxy


@pytest.fixture
def http(proxy: FaultProxy) -> Iterator[httpx2.Client]:
    """A client of the proxy."""
    with httpx2.Client(base_url=f"http://127.0.0.1:{proxy.port}", timeout=TIMEOUT_S) as http:
        yield http


def read_all(proxy: FaultProxy, *, asks: int = 1) -> bytes:
    """Ask for the service's health, and read until the connection ends or nothing more comes."""
    received = b""
    with socket.create_connection(("127.0.0.1", proxy.port), TIMEOUT_S) as connection:
        connection.sendall(HEAD * asks)
        while True:
            try:
                part = connection.recv(1 << 16)
            except TimeoutError:
                return received + b"(open)"
            except ConnectionResetError:
                return received + b"(reset)"
            if not part:
                return received + b"(closed)"
            received += part


def test_everything_is_passed_on(proxy: FaultProxy, http: httpx2.Client):
    """Without a fault, answers are those of the service, and connections are used again."""
    answer = http.get(HEALTH)
    declared = http.post("/api/v1/settings/declare", json={"name": "s", "default_value": 1})
    assert ({"version": "1"}, {"outcome": "created"}) == (answer.json(), declared.json())
    assert 1 == proxy.count_connections()


def test_other_services_are_reached_by_port(proxy: FaultProxy):
    """A proxy can stand in front of whatever speaks HTTP on loopback, such as another proxy."""
    with FaultProxy(forward_to(proxy.port)) as outer:
        answer = httpx2.get(f"http://127.0.0.1:{outer.port}{HEALTH}")
    assert (200, {"version": "1"}) == (answer.status_code, answer.json())


@pytest.mark.parametrize("action", ["slow request", "slow answer", "slow body"])
def test_delays(proxy: FaultProxy, http: httpx2.Client, action: str):
    """What is only slow arrives."""
    proxy.switch(ACTIONS[action])
    start_s = time.perf_counter()
    assert {"version": "1"} == http.get(HEALTH).json()
    assert time.perf_counter() - start_s > SLOW_S


@pytest.mark.parametrize("times", [1, 2])
def test_refused(proxy: FaultProxy, http: httpx2.Client, times: int):
    """Nobody listens, connections that there are end; and afterwards the same port answers again."""
    http.get(HEALTH)
    for _ in range(times):
        proxy.switch(ACTIONS["refused"])
        with pytest.raises(httpx2.TransportError):
            http.get(HEALTH)
        with pytest.raises(httpx2.ConnectError, match="refused"):
            http.get(HEALTH)
        proxy.switch(ACTIONS["pass"])
        assert 200 == http.get(HEALTH).status_code


def test_unreachable(proxy: FaultProxy, http: httpx2.Client):
    """Attempts to connect get no answer at all; and afterwards the same port answers again."""
    proxy.switch(ACTIONS["unreachable"])
    with pytest.raises(httpx2.ConnectTimeout):
        http.get(HEALTH)
    proxy.switch(ACTIONS["pass"])
    assert 200 == http.get(HEALTH).status_code


def test_silence_is_for_old_connections_only(proxy: FaultProxy, http: httpx2.Client):
    """What was connected before gets no answer; new connections do."""
    http.get(HEALTH)
    proxy.switch(ACTIONS["old connections silent"])
    with pytest.raises(httpx2.ReadTimeout):
        http.get(HEALTH)
    assert 200 == http.get(HEALTH).status_code


@pytest.mark.parametrize(
    ("action", "beginning", "end"),
    [
        ("silent", b"", b"(open)"),
        ("closed without answer", b"", b"(closed)"),
        ("reset", b"HTTP/1.1 200 OK", b"(reset)"),
        ("cut head", b"HTTP/1.1 2", b"HTTP/1.1 2(closed)"),
        ("cut body", b"HTTP/1.1 200 OK", b'{"versio(closed)'),
        ("truncated", b"HTTP/1.1 200 OK", b'{"version": "1"}(open)'),
        ("garbage", b"SSH-2.0", b"(closed)"),
        ("answer once", b"HTTP/1.1 200 OK", b'{"version": "1"}(closed)'),
        ("408 when idle", b"HTTP/1.1 200 OK", b"connection: close\r\ncontent-length: 0\r\n\r\n(closed)"),
    ],
)
def test_broken_answers(proxy: FaultProxy, action: str, beginning: bytes, end: bytes):
    """What arrives is what the name of the action says."""
    proxy.switch(ACTIONS[action])
    received = read_all(proxy)
    assert (beginning, end) == (received[: len(beginning)], received[-len(end) :])


def test_promises(proxy: FaultProxy):
    """The answer is always under way."""
    proxy.switch(ACTIONS["endless 102"])
    with socket.create_connection(("127.0.0.1", proxy.port), TIMEOUT_S) as connection:
        connection.sendall(HEAD)
        assert [b"HTTP/1.1 102 Processing\r\n\r\n"] * 3 == [connection.recv(100) for _ in range(3)]


def test_duplicates(proxy: FaultProxy):
    """The answer comes twice."""
    proxy.switch(ACTIONS["duplicated"])
    assert 2 == read_all(proxy).count(b'{"version": "1"}')


def test_second_use(proxy: FaultProxy):
    """A connection is good for one answer."""
    proxy.switch(ACTIONS["dropped when used again"])
    received = read_all(proxy, asks=2)
    assert (1, b"(closed)") == (received.count(b"HTTP/1.1 200"), received[-8:])


def test_corruption_is_none_that_json_could_hide(proxy: FaultProxy, http: httpx2.Client):
    """The flipped bits leave no UTF-8."""
    proxy.switch(ACTIONS["corrupt body"])
    with pytest.raises(UnicodeDecodeError):
        http.get(HEALTH).content.decode()


def test_bomb(proxy: FaultProxy, http: httpx2.Client):
    """What is little on the wire is much when decompressed."""
    proxy.switch(ACTIONS["gzip bomb"])
    # It takes a while to make.
    with http.stream("GET", HEALTH, timeout=DEADLINE_S) as answer:
        packed = b"".join(answer.iter_raw())
    unpacked = zlib.decompressobj(16 + zlib.MAX_WBITS)
    size = 0
    while not unpacked.eof:
        size += len(unpacked.decompress(packed, 1 << 20))
        packed = unpacked.unconsumed_tail
    assert size == BOMB_BYTES > 100 * int(answer.headers["content-length"])


def test_visits_are_counted(proxy: FaultProxy, http: httpx2.Client):
    """Who asks for another path is noticed."""
    proxy.switch(ACTIONS["redirect"])
    assert f"http://127.0.0.1:{proxy.port}/elsewhere" == http.get(HEALTH).headers["location"]
    http.get("/elsewhere")
    assert {HEALTH: 1, "/elsewhere": 1} == proxy.visits
