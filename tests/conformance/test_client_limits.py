"""What a service can cost both clients: neither their memory, nor their time, nor their secrets."""

import gzip
import itertools
import logging
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import httpx
import httpx2
import pytest

from heksher import Setting
from heksher.exceptions import InvalidOptionError, ServiceError, StatusError, TransportError
from tests.support.drivers import SHORT_S, DrivenClient, Driver
from tests.support.fake_service import DEADLINE_S, FEATURES, HEALTH, QUERY, FakeService, answer
from tests.support.open_sockets import await_sockets, count_sockets
from tests.support.raw_service import (
    Handler,
    RawConnection,
    RawService,
    answer_with,
    forever,
    speak_http,
    unreachable_port,
)
from tests.support.threads import NewThreads

# Far below what a test may take, and far above what answers on the same machine take, also if it is busy.
TIMEOUT_S = 0.8
SECRET = "s3cret"  # noqa: S105 - it is to be found, or rather not
# The library has no time limits of its own here, and no proxy; making the last takes longer than most of these tests.
ARGS = {"timeout": None, "trust_env": False, "verify": ssl.create_default_context()}


def drip_headers(connection: RawConnection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\n")
    connection.drip(forever(b"X: y\r\n"))


def drip_body(connection: RawConnection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    connection.drip(itertools.chain([b'{"settings": {'], forever(b" ")))


BOMB = gzip.compress(b" " * 32 * 2**20, 1)


def send_bomb(connection: RawConnection) -> None:
    connection.send(answer_with(b"Content-Encoding: gzip\r\n", BOMB))
    connection.hang()


def send_for_ever(connection: RawConnection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
    connection.drip(forever(b" " * 65536), 0)


FAULTS: dict[str, tuple[Handler, str]] = {
    "silent": (RawConnection.hang, "request_timeout"),
    "drips headers": (drip_headers, "request_timeout"),
    "drips a body": (drip_body, "request_timeout"),
    "bomb": (send_bomb, "max_response_bytes"),
    "endless": (send_for_ever, "max_response_bytes"),
}
faults = pytest.mark.parametrize(("fault", "limit"), FAULTS.values(), ids=FAULTS)


def start(driver: Driver, service: FakeService, url: str, **options: object) -> DrivenClient:
    return driver.start(service, url=url, http_client_args=ARGS, **options)


@faults
def test_settings_outlive_a_costly_answer(driver: Driver, service: FakeService, fault: Handler, limit: str):
    """An update whose answer costs too much fails and names the limit; settings keep what they have; then it works."""
    setting = Setting("s", int, ["a"], 0)
    service.add_rule("s", 1, 10, a="x")
    particular: dict[str, Handler] = {}
    with RawService(speak_http(service, particular)) as raw:
        timeout_s = TIMEOUT_S if limit == "request_timeout" else DEADLINE_S
        client = start(driver, service, raw.url, request_timeout=timeout_s, max_response_bytes=2**20)
        service.add_rule("s", 1, 11, a="x")
        particular[QUERY] = fault
        with pytest.raises(TransportError, match=limit) as caught:
            client.reload()
        assert isinstance(caught.value, httpx2.TransportError)
        assert ("timeout" in limit) == isinstance(caught.value, httpx.TimeoutException)
        assert 10 == setting.get(a="x")
        del particular[QUERY]
        client.reload()
        assert 11 == setting.get(a="x")


def test_size_counts_after_decompression(driver: Driver, service: FakeService):
    """Up to its limit, an answer is read, compressed or not."""
    setting = Setting("s", str, ["a"], "")
    service.add_rule("s", 1, "x" * 5000, a="x")
    with RawService(speak_http(service)) as raw:
        start(driver, service, raw.url, max_response_bytes=5200).close()
        assert "x" * 5000 == setting.get(a="x")
        with pytest.raises(TransportError, match="with more than 5000 bytes"):
            start(driver, service, raw.url, max_response_bytes=5000)


@pytest.mark.parametrize("timeout", [0.2, timedelta(seconds=0.2)])
def test_time_of_a_start(driver: Driver, service: FakeService, timeout: float | timedelta):
    """A start takes no longer than its first request may, in seconds or as a timedelta."""
    with unreachable_port() as port:
        begin = time.monotonic()
        with pytest.raises(ServiceError, match="request_timeout"):
            start(driver, service, f"http://127.0.0.1:{port}", request_timeout=timeout)
        assert 0.2 <= time.monotonic() - begin < 3


@pytest.mark.parametrize(
    "options",
    [
        {"request_timeout": 0},
        {"request_timeout": -1},
        {"request_timeout": None},
        {"request_timeout": "60"},
        {"request_timeout": timedelta(0)},
        {"max_response_bytes": 0},
        {"max_response_bytes": -1},
        {"max_response_bytes": None},
        {"max_response_bytes": 1.5},
        {"max_response_bytes": True},
    ],
)
def test_impossible_limits(driver: Driver, service: FakeService, options: dict[str, object]):
    """A limit that is none is the constructor's error, which names the option."""
    with pytest.raises(InvalidOptionError, match=next(iter(options))):
        driver.create(service, **options)


# ---- closing


def hang_from(phase: str, service: FakeService) -> Handler:
    return speak_http(service, {FEATURES: {"headers": RawConnection.hang, "body": drip_body}[phase]})


@pytest.fixture(params=["connect", "handshake", "headers", "body"])
def hanging_url(request: pytest.FixtureRequest, service: FakeService) -> Iterator[str]:
    """A URL at which requests get as far as a phase, and no further."""
    if request.param == "connect":
        with unreachable_port() as port:
            yield f"http://127.0.0.1:{port}"
    elif request.param == "handshake":
        with RawService(RawConnection.hang) as raw:
            yield raw.url.replace("http", "https")
    else:
        with RawService(hang_from(request.param, service)) as raw:
            yield raw.url


def test_close_during_a_start_that_hangs(
    new_threads: NewThreads, driver: Driver, service: FakeService, hanging_url: str
):
    """Closing does not wait for a service, wherever it hangs; neither a socket nor a thread of the client is left."""
    before = count_sockets(hanging_url)
    client = driver.create(service, url=hanging_url, http_client_args=ARGS, on_start_failure="raise")
    starting = client.begin("set_as_main")
    # Nobody can tell when it hangs. Before that, closing is only easier.
    time.sleep(0.1)
    begin = time.monotonic()
    client.close()
    assert time.monotonic() - begin < 1
    assert isinstance(starting.exception(DEADLINE_S), Exception)
    assert before == await_sockets(hanging_url, before)
    assert [] == new_threads.names()


def note_arrival(arrived: threading.Semaphore, handle: Handler) -> Handler:
    def note_and_handle(connection: RawConnection) -> None:
        arrived.release()
        handle(connection)

    return note_and_handle


def test_close_during_an_update_that_hangs(new_threads: NewThreads, driver: Driver, service: FakeService):
    """It is the same in the background, and with calls of the program's under way in other threads or tasks."""
    particular: dict[str, Handler] = {}
    with RawService(speak_http(service, particular)) as raw:
        before = count_sockets(raw.url)
        client = start(driver, service, raw.url, interval_s=SHORT_S)
        arrived = threading.Semaphore(0)
        particular.update({QUERY: note_arrival(arrived, RawConnection.hang), HEALTH: note_arrival(arrived, drip_body)})
        pings = [client.begin("ping") for _ in range(3)]
        # The pings, and an update.
        assert all(arrived.acquire(timeout=DEADLINE_S) for _ in range(4))
        begin = time.monotonic()
        client.close()
        assert time.monotonic() - begin < 1
        assert all(isinstance(ping.exception(DEADLINE_S), TransportError) for ping in pings)
        assert before == await_sockets(raw.url, before)
        assert [] == new_threads.names()


def test_failed_start_leaves_nothing(new_threads: NewThreads, driver: Driver, service: FakeService):
    """A start that takes too long leaves no request behind, though the service would go on hanging."""
    with RawService(RawConnection.hang) as raw:
        before = count_sockets(raw.url)
        with pytest.raises(ServiceError, match="the start took longer"):
            start(driver, service, raw.url, start_timeout=0.2)
        assert before == await_sockets(raw.url, before)
        assert [] == new_threads.names()


# ---- redirects and secrets


def redirect(location: str) -> Handler:
    def handle(connection: RawConnection) -> None:
        head = f"Location: {location}\r\n".encode()
        connection.send(answer_with(head, status="307 Temporary Redirect"))

    return handle


@pytest.mark.trap(28)
def test_redirects_are_refused(driver: Driver, service: FakeService):
    """An answer that sends the client elsewhere is an error that says where to, without credentials."""
    location = f"http://me:{SECRET}@other.test/login?token={SECRET}"
    with (
        RawService(speak_http(service, {QUERY: redirect(location)})) as raw,
        pytest.raises(
            StatusError, match=r"a redirect to 'http://other.test/login', which only follow_redirects"
        ) as caught,
    ):
        start(driver, service, raw.url)
    assert 307 == caught.value.status
    assert SECRET not in f"{caught.value!r}{caught.value.__cause__!r}{caught.value.__context__!r}"


def test_redirects_are_followed_on_demand(driver: Driver, service: FakeService):
    """With ``follow_redirects`` the client goes where the service sends it."""
    with (
        RawService(speak_http(service)) as raw,
        RawService(speak_http(service, {HEALTH: redirect(raw.url + "/api/health")})) as first,
    ):
        args = {**ARGS, "follow_redirects": True}
        driver.create(service, url=first.url, http_client_args=args).ping()
    assert 1 == len(service.asked(HEALTH))


def test_status_errors_tell_when_to_come_back(driver: Driver, service: FakeService):
    """The status and the time of ``Retry-After`` are there for programs, and for the schedule."""
    client = driver.create(service)
    with service.behaving(HEALTH, answer(503, "busy", **{"Retry-After": "120"})), pytest.raises(StatusError) as caught:
        client.ping()
    assert (503, 120) == (caught.value.status, caught.value.retry_after_s)


@pytest.mark.trap(28)
@pytest.mark.parametrize(
    "way", [{}, {"auth": ("me", SECRET)}, {"headers": {"api_token": SECRET}}], ids=["URL", "auth", "headers"]
)
def test_no_secrets_in_the_log(driver: Driver, service: FakeService, caplog: pytest.LogCaptureFixture, way: dict):
    """Whatever a client meets from its start to its end, no logger writes how it logs in."""
    caplog.set_level(logging.DEBUG)
    particular: dict[str, Handler] = {}
    with RawService(speak_http(service, particular)) as raw:
        url = raw.url if way else raw.url.replace("//", f"//me:{SECRET}@")
        client = driver.start(service, url=url, http_client_args={**ARGS, **way}, request_timeout=TIMEOUT_S)
        for fault in (RawConnection.hang, send_bomb, redirect("/elsewhere"), lambda connection: connection.send(b"no")):
            particular[QUERY] = fault
            with pytest.raises(ServiceError) as caught:
                client.reload()
            assert SECRET not in f"{caught.value!r}{caught.value.__cause__!r}"
        client.close()
    expected = httpx2.BasicAuth("me", SECRET)._auth_header if "headers" not in way else SECRET
    assert {expected} == {
        request.headers.get("api_token" if "headers" in way else "Authorization") for _, request in service.calls
    }
    texts = [record.getMessage() for record in caplog.records]
    assert any("HTTP Request" in text for text in texts)
    assert any("error during heksher update" in text for text in texts)
    assert not [text for text in texts if SECRET in text or expected in text]
