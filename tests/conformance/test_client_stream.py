"""Both clients with a service that tells of its changes, and with everything that can stand in its place."""

import gc
import logging
import ssl
import time
import weakref
from collections.abc import Iterator

import httpx
import httpx2
import pytest
import trustme

from heksher import Setting
from heksher.clients.conversation.stream_state import StreamState
from heksher.clients.transport.sender import StreamTimeouts
from heksher.exceptions import InvalidOptionError
from tests.support.drivers import SHORT_S, DrivenClient, Driver
from tests.support.event_streams import HEAD, HEARTBEAT, STREAM, StreamingService, chunk
from tests.support.fake_service import DECLARE, FEATURES, POST_QUERY, QUERY, FakeService, answer, for_setting
from tests.support.open_sockets import await_sockets, count_sockets
from tests.support.processes import in_child
from tests.support.raw_service import Handler, RawConnection, answer_with, forever
from tests.support.waiting import wait_until

ARGS = {"timeout": 5.0, "trust_env": False, "verify": ssl.create_default_context()}
# An update within this time is not one of those by which a client polls beside a stream.
SOON_S = 200
# As long as the tests wait for what does not come.
BRIEF = StreamTimeouts(opening_s=0.3, silence_s=0.3)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have streams opened without the time that a client waits after its start."""
    monkeypatch.setattr("heksher.clients.conversation.stream_policy.FIRST_DELAYS_S", (0.0, 0.0))


@pytest.fixture
def streams(service: FakeService) -> Iterator[StreamingService]:
    """The service, announcing streams, on a real socket."""
    with StreamingService(service) as streams:
        yield streams


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "heksher")
    return caplog


def read_log(log: pytest.LogCaptureFixture, level: int = logging.INFO) -> list[str]:
    return [record.getMessage() for record in log.records if record.levelno >= level and record.name[:7] == "heksher"]


def replying(status: str, head: bytes = b"", body: bytes = b"") -> Handler:
    return lambda connection: connection.send(answer_with(b"Connection: close\r\n" + head, body, status))


def start(driver: Driver, service: FakeService, streams: StreamingService, **options: object) -> DrivenClient:
    return driver.start(service, **{"url": streams.url, "http_client_args": ARGS, **options})


def start_streaming(driver: Driver, service: FakeService, streams: StreamingService, **options: object) -> DrivenClient:
    """Start a client that streams, and has asked once, as it does when a stream opens."""
    client = start(driver, service, streams, **options)
    assert is_streaming(client)
    assert wait_until(lambda: count_queries(service) > 1 and next_update_s(client) > SOON_S)
    return client


def count_queries(service: FakeService) -> int:
    return len(service.asked(QUERY)) + len(service.asked(POST_QUERY))


def is_streaming(client: DrivenClient) -> bool:
    """Wait until the service tells of its changes."""
    return wait_until(lambda: client.native.status.is_streaming)


def next_update_s(client: DrivenClient) -> float:
    """Tell in how many seconds the next update is due."""
    return client.native._schedule.remaining(time.monotonic())


def next_stream_s(client: DrivenClient) -> float:
    """Return in how many seconds the next attempt to open a stream is due."""
    return client.native._stream_runner._policy.due_s - time.monotonic()


def state_of_stream(client: DrivenClient) -> StreamState:
    return client.native._stream_runner._policy.state


# ---- following


def test_change_arrives_at_once(driver: Driver, service: FakeService, streams: StreamingService):
    """What the service tells of is asked for at once, from the revision on that it tells."""
    setting = Setting("s", int, ["a"], 0)
    start_streaming(driver, service, streams)
    service.set_default("s", 1)
    begin = time.monotonic()
    streams.tell()
    assert wait_until(lambda: setting.get() == 1)
    assert time.monotonic() - begin < 1
    assert str(service.revision) == service.asked(QUERY)[-1].headers["Heksher-Min-Revision"]


def test_request_for_a_stream(driver: Driver, service: FakeService, streams: StreamingService):
    """A stream is asked for what a query is, from the published revision on, after the first update."""
    Setting("gone", int, ["a"], 0)
    setting = Setting("s", int, ["a"], 0)
    client = driver.create(service, url=streams.url, http_client_args=ARGS)
    client.native.track_contexts(a="x", b=["y", "z"])
    client.start()
    [request] = streams.await_streams()
    assert dict(service.asked(QUERY)[0].url.params) == dict(request.url.params)
    names = ("Accept", "Accept-Encoding", "Last-Event-ID", "Heksher-Min-Revision")
    assert ["text/event-stream", "identity", "2", "2"] == [request.headers[name] for name in names]
    assert 0 == setting.get()


def test_many_events_are_few_updates(driver: Driver, service: FakeService, streams: StreamingService):
    """What the service tells of in quick succession is asked for together."""
    setting = Setting("s", int, ["a"], 0)
    start_streaming(driver, service, streams)
    before = len(service.queries())
    for value in range(1, 101):
        service.set_default("s", value)
        streams.tell()
    assert wait_until(lambda: setting.get() == 100)
    assert len(service.queries()) - before < 10


def test_change_that_is_known(driver: Driver, service: FakeService, streams: StreamingService):
    """What a client knows already, it does not ask for."""
    setting = Setting("s", int, ["a"], 0)
    client = start_streaming(driver, service, streams)
    service.set_default("s", 1)
    client.reload()
    before = len(service.queries())
    streams.tell()
    streams.send(b"event: change\nid: 999\ndata: {}\n\n")
    service.await_calls(QUERY, before + 1)
    assert ("999", 1) == (service.asked(QUERY)[before].headers["Heksher-Min-Revision"], setting.get())


def test_polling_is_a_net(driver: Driver, service: FakeService, streams: StreamingService):
    """While the service tells of changes, a client asks every five minutes only, however short its interval is."""
    client = start_streaming(driver, service, streams, interval_s=SHORT_S)
    assert wait_until(lambda: next_update_s(client) > SOON_S)


def test_lost_stream_means_polling(driver: Driver, service: FakeService, streams: StreamingService, log):
    """When the stream ends and cannot be had again, the client polls as it would without; that is said once."""
    setting = Setting("s", int, ["a"], 0)
    client = start_streaming(driver, service, streams, interval_s=SHORT_S)
    streams.particular[STREAM] = replying("503 Service Unavailable")
    streams.end()
    service.set_default("s", 1)
    assert wait_until(lambda: setting.get() == 1)
    service.await_calls(QUERY, len(service.queries()) + 3)
    assert not client.native.status.is_streaming
    text = "the stream of changes has ended, polling until there is one again: the service has ended it"
    assert ["following the changes of the service by a stream", text] == read_log(log)


def test_stream_that_comes_back(driver: Driver, service: FakeService, streams: StreamingService):
    """What was missed while there was no stream is told when there is one again."""
    setting = Setting("s", int, ["a"], 0)
    start_streaming(driver, service, streams)
    service.set_default("s", 1)
    streams.end()
    requests = streams.await_streams(2)
    assert wait_until(lambda: setting.get() == 1)
    assert "2" == requests[1].headers["Last-Event-ID"]


def test_service_says_when_to_come_back(driver: Driver, service: FakeService, streams: StreamingService):
    """A service that ends tells each client when to come back, which heeds it."""
    client = start_streaming(driver, service, streams)
    streams.end(retry_ms=40_000)
    assert wait_until(lambda: not client.native.status.is_streaming and next_stream_s(client) > 0)
    assert 30 < next_stream_s(client) <= 40


def test_service_that_is_back_at_once(driver: Driver, service: FakeService, streams: StreamingService):
    """One that is replaced by another gets its clients back as soon as it says."""
    client = start_streaming(driver, service, streams)
    streams.end(retry_ms=1)
    streams.await_streams(2)
    assert is_streaming(client)


def test_restored_service(driver: Driver, service: FakeService, streams: StreamingService):
    """A service that was restored from a backup tells of an earlier revision: that is news, too."""
    setting = Setting("s", int, ["a"], 0)
    service.revision = 50
    client = start_streaming(driver, service, streams)
    service.settings["s"]["default_value"], service.revision = 1, 30
    streams.tell()
    # It may have asked between the two, too.
    assert wait_until(lambda: (setting.get(), client.native.status.revision) == (1, 30))


STAMPS = ("0123456789ab", "fedcba987654")


@pytest.mark.parametrize("revision", [4, 5, 6])
def test_service_that_has_lost_changes(driver: Driver, service: FakeService, streams: StreamingService, revision: int):
    """After a failover that lost a change, the newest one has its number with another stamp, or a lower one: news."""
    setting = Setting("s", int, ["a"], 0)
    service.revision, service.stamp = 5, STAMPS[0]
    client = start_streaming(driver, service, streams)
    service.settings["s"]["default_value"], service.revision, service.stamp = 1, revision, STAMPS[1]
    streams.tell()
    assert wait_until(lambda: (setting.get(), client.native.status.revision) == (1, revision))
    demanded = service.asked(QUERY)[-1].headers["Heksher-Min-Revision"]
    # Whichever process answers is to look at its database.
    assert "9" * 18 == demanded


def test_opening_asks_for_what_no_event_tells(driver: Driver, service: FakeService, streams: StreamingService):
    """What happened while there was no stream is asked for when there is one, whatever the service knows of it."""
    setting = Setting("s", int, ["a"], 0)
    start_streaming(driver, service, streams)
    # Under the number that the client has: no service could tell that without stamps.
    service.settings["s"]["default_value"] = 1
    streams.end(retry_ms=1)
    assert wait_until(lambda: setting.get() == 1)


def test_older_service_takes_the_place(driver: Driver, service: FakeService, streams: StreamingService):
    """A service that does not know stamps refuses them; the client goes on without, and is current."""
    setting = Setting("s", int, ["a"], 0)
    service.stamp = STAMPS[0]
    client = start_streaming(driver, service, streams)
    service.stamp = None
    service.set_default("s", 1)
    usual = service.usual(QUERY)
    service.behaviours[QUERY] = lambda request: (
        answer(422) if "-" in request.headers["Heksher-Min-Revision"] else usual
    )(request)
    client.reload()
    assert (1, "current") == (setting.get(), client.native.status.state)


def test_new_setting_is_followed(driver: Driver, service: FakeService, streams: StreamingService):
    """When the client asks for something else, so does its stream."""
    first = Setting("s", int, ["a"], 0)
    client = start_streaming(driver, service, streams)
    second = Setting("t", int, ["a"], 0)
    requests = streams.await_streams(2)
    assert ["s", "s,t"] == [request.url.params["settings"] for request in requests]
    assert wait_until(lambda: streams.count_open() == 1)
    service.set_default("t", 1)
    streams.tell()
    assert wait_until(lambda: second.get() == 1)
    assert (0, True) == (first.get(), client.native.status.is_streaming)


def test_tracked_values_are_followed(driver: Driver, service: FakeService, streams: StreamingService):
    """So it is with tracked values, as soon as they are asked for."""
    client = start_streaming(driver, service, streams)
    client.native.track_contexts(a="x")
    client.reload()
    assert "a:(x)" == streams.await_streams(2)[1].url.params["context_filters"]


@pytest.mark.trap(43)
def test_stream_of_thousands_of_settings(driver: Driver, service: FakeService, streams: StreamingService):
    """A stream, too, has a body where the URL would be too long."""
    settings = [Setting(f"team.component.setting_{number}", int, ["a"], 0) for number in range(300)]
    start_streaming(driver, service, streams)
    [request] = streams.await_streams()
    assert ("POST", sorted(setting.name for setting in settings)) == (request.method, _settings_of(request))


def _settings_of(request: httpx2.Request) -> list[str]:
    return httpx2.Response(200, content=request.content).json()["settings"]


def test_setting_that_cannot_be_declared(driver: Driver, service: FakeService, streams: StreamingService):
    """A declaration that is refused does not keep the other settings from following the service."""
    setting = Setting("s", int, ["a"], 0)
    refused = Setting("refused", int, ["a"], 0)
    service.behaviours[DECLARE] = for_setting("refused", answer(422, {}), service.usual(DECLARE))
    client = driver.create(service, url=streams.url, http_client_args=ARGS, on_start_failure="continue")
    client.start()
    streams.await_streams()
    assert is_streaming(client)
    service.set_default("s", 1)
    streams.tell()
    assert wait_until(lambda: setting.get() == 1)
    assert 0 == refused.get()


def test_stream_outlives_the_time_of_a_request(driver: Driver, service: FakeService):
    """Neither the limit of a request nor the HTTP library's own ends a stream that is alive."""
    limit_s = 0.3

    def beat(connection: RawConnection) -> None:
        connection.send(HEAD, chunk(HEARTBEAT))
        connection.drip(forever(chunk(HEARTBEAT)), limit_s / 3)

    with StreamingService(service, {STREAM: beat}) as streams:
        args = {**ARGS, "timeout": limit_s / 2}
        client = start_streaming(driver, service, streams, http_client_args=args, request_timeout=limit_s)
        end_s = time.monotonic() + 3 * limit_s
        assert wait_until(lambda: not client.native.status.is_streaming or time.monotonic() > end_s)
        assert client.native.status.is_streaming


def test_stream_with_httpx(driver: Driver, service: FakeService, streams: StreamingService):
    """A program on httpx follows changes as well."""
    setting = Setting("s", int, ["a"], 0)
    args = {**ARGS, "limits": httpx.Limits(max_connections=10)}
    client = start_streaming(driver, service, streams, http_client_args=args)
    service.set_default("s", 1)
    streams.tell()
    assert wait_until(lambda: setting.get() == 1)
    client.close()
    assert wait_until(lambda: streams.count_open() == 0)


def test_stream_over_tls(driver: Driver, service: FakeService):
    """So it is over TLS, where closing ends the stream as promptly."""
    setting = Setting("s", int, ["a"], 0)
    authority, serving = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    trusting = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    with StreamingService(service, tls=serving) as streams:
        client = start_streaming(driver, service, streams, http_client_args={**ARGS, "verify": trusting})
        service.set_default("s", 1)
        streams.tell()
        assert wait_until(lambda: setting.get() == 1)
        begin = time.monotonic()
        client.close()
        assert time.monotonic() - begin < 1
        assert wait_until(lambda: streams.count_open() == 0)


# ---- not following


@pytest.mark.parametrize("mode", ["auto", "poll", "stream"])
def test_service_without_streams(driver: Driver, service: FakeService, log, mode: str):
    """A service that announces no stream is asked for none; only who insists is warned, once."""
    Setting("s", int, ["a"], 0)
    client = driver.start(service, updates=mode)
    client.reload()
    client.reload()
    assert {FEATURES, DECLARE, QUERY} >= {route for route, _ in service.calls}
    text = "there is no stream of the service's changes, updates go on by polling: it does not announce one"
    assert ([text] if mode == "stream" else []) == read_log(log)
    reason = None if mode == "poll" else "it does not announce one"
    assert (False, reason) == (client.native.status.is_streaming, client.native.status.stream_problem)


def test_program_that_only_polls(driver: Driver, service: FakeService, streams: StreamingService):
    """With ``updates="poll"`` no stream is asked for, whatever the service announces."""
    client = start(driver, service, streams, updates="poll", interval_s=SHORT_S)
    service.await_calls(QUERY, 5)
    assert ([], False) == (streams.asked, client.native.status.is_streaming)


@pytest.mark.parametrize("mode", ["push", "", None, True])
def test_impossible_mode(driver: Driver, service: FakeService, mode: object):
    """Anything else is the constructor's error, which names the choices."""
    with pytest.raises(InvalidOptionError, match="updates must be 'auto' or 'poll' or 'stream'"):
        driver.create(service, updates=mode)


def keep_back(connection: RawConnection) -> None:
    connection.send(HEAD)
    connection.hang()


def send_garbage(connection: RawConnection) -> None:
    connection.send(HEAD)
    connection.drip(forever(chunk(b"<html>\n\n")), 0.01)


REFUSALS: dict[str, Handler] = {
    "404": replying("404 Not Found"),
    "405": replying("405 Method Not Allowed"),
    "501": replying("501 Not Implemented"),
    "page": replying("200 OK", b"Content-Type: text/html\r\n", b"<html>"),
    "nothing": replying("200 OK", b"Content-Type: text/event-stream\r\n"),
    "compressed": replying("200 OK", b"Content-Type: text/event-stream\r\nContent-Encoding: gzip\r\n"),
    "redirect": replying("302 Found", b"Location: http://other.test/\r\n"),
    "no head": RawConnection.hang,
    "no body": keep_back,
    "garbage": send_garbage,
}


@pytest.mark.parametrize("mode", ["auto", "stream"])
@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_stream_that_is_not_to_be_had(
    driver: Driver, service: FakeService, log, monkeypatch: pytest.MonkeyPatch, refusal: Handler, mode: str
):
    """Where a stream cannot be opened, the client polls, in silence, and looks for it again after minutes."""
    monkeypatch.setattr("heksher.clients.stream_runner._TIMEOUTS", BRIEF)
    monkeypatch.setattr("heksher.clients.conversation.stream_policy.OPENING_S", BRIEF.opening_s)
    setting = Setting("s", int, ["a"], 0)
    with StreamingService(service, {STREAM: refusal}) as streams:
        client = start(driver, service, streams, interval_s=SHORT_S, updates=mode)
        assert wait_until(lambda: state_of_stream(client) is StreamState.REFUSED and next_stream_s(client) > 100)
        service.set_default("s", 1)
        assert wait_until(lambda: setting.get() == 1)
        assert next_update_s(client) <= SHORT_S
        assert not client.native.status.is_streaming
        # The client polls on: without its service, it would soon tell of failed updates, too.
        logged = read_log(log, logging.WARNING)
    assert (["there is no stream"] if mode == "stream" else []) == [text[:18] for text in logged[:1]]


REASONS: dict[str, str] = {
    "404": "it was answered with status 404",
    "page": "it was answered with status 200 and Content-Type text/html, as something in between may do",
    "compressed": "Content-Encoding gzip, which nobody asked for: something in between compresses it",
    "no body": "something in between may keep back what it should pass on, as a proxy does that buffers",
}


@pytest.mark.parametrize("case", REASONS)
def test_status_says_why_there_is_no_stream(
    driver: Driver, service: FakeService, monkeypatch: pytest.MonkeyPatch, case: str
):
    """Also with ``updates="auto"``, the status has the reason, until there is a stream."""
    monkeypatch.setattr("heksher.clients.stream_runner._TIMEOUTS", BRIEF)
    monkeypatch.setattr("heksher.clients.conversation.stream_policy.OPENING_S", BRIEF.opening_s)
    monkeypatch.setattr("heksher.clients.conversation.stream_policy.REFUSED_S", 0.3)
    with StreamingService(service, {STREAM: REFUSALS[case]}) as streams:
        client = start(driver, service, streams)
        assert wait_until(lambda: client.native.status.stream_problem is not None)
        assert REASONS[case] in client.native.status.stream_problem
        streams.particular[STREAM] = streams.open
        assert is_streaming(client)
        assert client.native.status.stream_problem is None


def drop(connection: RawConnection) -> None:
    """Close a connection in place of an answer."""


def send_huge(connection: RawConnection) -> None:
    connection.send(HEAD)
    connection.drip(forever(chunk(b"data: " + b"x" * 10_000)), 0)


FAILURES: dict[str, Handler] = {
    "closed": drop,
    "503": replying("503 Service Unavailable"),
    "huge": send_huge,
    "no HTTP": lambda connection: connection.send(b"\x00" * 100),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_stream_that_fails_at_first(driver: Driver, service: FakeService, log, failure: Handler):
    """What may be well soon is tried again soon; nothing above DEBUG is said of it."""
    with StreamingService(service, {STREAM: failure}) as streams:
        client = start(driver, service, streams)
        assert wait_until(lambda: client.native._stream_runner._policy._failures.count > 0)
        assert [] == read_log(log)
        streams.particular[STREAM] = streams.open
        assert is_streaming(client)


def test_stream_that_falls_silent(driver: Driver, service: FakeService, log, monkeypatch: pytest.MonkeyPatch):
    """A stream without a sign of life is lost, though bytes that make no sense may come in."""
    monkeypatch.setattr("heksher.clients.stream_runner._TIMEOUTS", BRIEF)

    def fall_silent(connection: RawConnection) -> None:
        connection.send(HEAD, chunk(HEARTBEAT))
        connection.drip(forever(chunk(b"nonsense\n\n")), 0.05)

    with StreamingService(service, {STREAM: fall_silent}) as streams:
        client = start_streaming(driver, service, streams)
        assert wait_until(lambda: not client.native.status.is_streaming)
        # Which the log says in the next moment.
        assert wait_until(lambda: len(read_log(log)) > 1)
        assert "nothing came in for 0.3 s" in read_log(log)[1]


def test_garbage_on_a_living_stream(driver: Driver, service: FakeService, streams: StreamingService):
    """Events that nobody knows change nothing; one without end costs the connection, and a new one is opened."""
    client = start_streaming(driver, service, streams)
    before = len(service.queries())
    streams.send(b"event: teleport\ndata: {}\n\nid: x\n\nevent: end\n\n\xff\xfe\n\n")
    streams.send(b"x" * 70_000)
    streams.await_streams(2)
    assert is_streaming(client)
    # The one that comes with a new stream.
    assert wait_until(lambda: before + 1 == len(service.queries()) and next_update_s(client) > SOON_S)


def test_change_without_a_number(driver: Driver, service: FakeService, streams: StreamingService):
    """A change whose revision is not legible is a change all the same."""
    setting = Setting("s", int, ["a"], 0)
    start_streaming(driver, service, streams)
    service.set_default("s", 1)
    streams.send(b"event: change\nid: " + b"9" * 5000 + b"\ndata: {}\n\n")
    assert wait_until(lambda: setting.get() == 1)


@pytest.mark.parametrize("mode", ["auto", "stream"])
def test_program_that_allows_one_connection(
    driver: Driver, service: FakeService, streams: StreamingService, log, mode: str
):
    """A stream does not take the only connection that the program allows."""
    args = {**ARGS, "limits": httpx2.Limits(max_connections=1)}
    client = start(driver, service, streams, http_client_args=args, updates=mode)
    client.reload()
    assert ([], False) == (streams.asked, client.native.status.is_streaming)
    warnings = read_log(log, logging.WARNING)
    assert (1 if mode == "stream" else 0) == sum("allows no connection beside it" in text for text in warnings)


def test_service_that_no_longer_has_streams(driver: Driver, service: FakeService, streams: StreamingService):
    """When an older service takes the place of another, its clients go on polling, and come back to streams later."""
    client = start_streaming(driver, service, streams)
    service.capabilities = []
    client.reload()
    streams.end()
    assert wait_until(lambda: not client.native.status.is_streaming)
    service.capabilities = ["stream"]
    client.reload()
    streams.await_streams(2)


# ---- the end


def test_close_ends_the_stream(driver: Driver, service: FakeService, streams: StreamingService):
    """Closing does not wait for a stream; the service sees its end, and neither a socket nor a thread is left."""
    before = count_sockets(streams.url)
    client = start_streaming(driver, service, streams)
    begin = time.monotonic()
    client.close()
    assert time.monotonic() - begin < 1
    assert wait_until(lambda: streams.count_open() == 0)
    assert ([], False) == (driver.find_leftovers(), client.native.status.is_streaming)
    assert before == await_sockets(streams.url, before)


@pytest.mark.parametrize("refusal", [RawConnection.hang, keep_back, replying("501 Not Implemented")])
def test_close_while_there_is_no_stream_yet(driver: Driver, service: FakeService, refusal: Handler):
    """So it is while a stream is being opened, and while the client waits to try again."""
    with StreamingService(service, {STREAM: refusal}) as streams:
        before = count_sockets(streams.url)
        client = start(driver, service, streams)
        assert wait_until(lambda: state_of_stream(client) in {StreamState.OPENING, StreamState.REFUSED})
        begin = time.monotonic()
        client.close()
        assert time.monotonic() - begin < 1
        assert [] == driver.find_leftovers()
        assert before == await_sockets(streams.url, before)


def test_failed_start_leaves_no_stream(driver: Driver, service: FakeService, streams: StreamingService):
    """A client whose start fails leaves no stream behind, and can start again."""
    kept = Setting("s", int, ["a"], 0)
    service.behaviours[QUERY] = answer(503)
    client = driver.create(service, url=streams.url, http_client_args=ARGS, on_start_failure="raise")
    with pytest.raises(httpx2.HTTPError):
        client.start()
    assert wait_until(lambda: streams.count_open() == 0)
    assert [] == driver.find_leftovers()
    del service.behaviours[QUERY]
    client.start()
    assert is_streaming(client)
    assert (1, 0) == (streams.count_open(), kept.get())


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_forgotten_client(driver: Driver, service: FakeService, streams: StreamingService):
    """A client that nobody holds goes away, and its stream with it."""
    first = driver.client_class(streams.url, 3600, service.features, http_client_args=ARGS)
    driver.run(first.set_as_main)
    reference = weakref.ref(first)
    streams.await_streams()
    driver.start(service, updates="poll")
    del first

    def is_gone() -> bool:
        gc.collect()
        return reference() is None and streams.count_open() == 0

    assert wait_until(is_gone)


@pytest.mark.trap(9)
@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_fork_with_an_open_stream(driver: Driver, service: FakeService, streams: StreamingService):
    """A child leaves its parent's stream alone, and a thread client opens its own there."""
    setting = Setting("s", int, ["a"], 0)
    client = start_streaming(driver, service, streams)
    streams_each = 1 if driver.kind == "async" else 2
    assert in_child(lambda: streams_each == 1 or (is_streaming(client) and client.native.close() is None))
    assert (1, True) == (streams.count_open(), client.native.status.is_streaming)
    service.set_default("s", 1)
    streams.tell()
    assert wait_until(lambda: setting.get() == 1)
    assert streams_each == len(streams.asked)
