"""Streams of events over real HTTP: who is told what, and what becomes of connections."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from heksher.server.queries import stream as module
from tests.support.event_stream import BEAT, PATH, EventStream
from tests.support.fake_service import DEADLINE_S
from tests.support.service import RunningService
from tests.support.waiting import wait_until


@pytest.fixture
def service() -> Iterator[RunningService]:
    """A service with two settings; one has the alias ``old``."""
    with RunningService() as service:
        fill(service)
        yield service


def fill(service: RunningService) -> None:
    service.add_features("environment", "user")
    service.declare("old")
    service.declare("a", alias="old", version="1.1")
    service.declare("b")


def put(service: RunningService, path: str, body: dict) -> int:
    """Make a write; return its revision."""
    return int(service.http.put(path, json=body).raise_for_status().headers["Heksher-Revision"])


def add_rule(service: RunningService, setting: str, **conditions: str) -> int:
    """Add a rule; return the revision."""
    service.add_rule(setting, conditions, 1)
    return read_revision(service)


def read_revision(service: RunningService) -> int:
    return service.storage.read(lambda reader: reader.revision())


def count_streams(service: RunningService) -> int:
    text = service.http.get("/metrics").text
    return int(float(text.partition("\nheksher_streams ")[2].split()[0]))


def test_the_first_event_comes_at_once(service: RunningService):
    """To a client that knows nothing; one that knows the answer gets a heartbeat, until that has changed."""
    revision = read_revision(service)
    with EventStream(service.port) as new, EventStream(service.port, last_revision=revision) as known:
        assert (200, "text/event-stream") == (new.response.status, new.response.headers["Content-Type"])
        assert revision == new.read_revision()
        assert BEAT == known.read()
        assert [revision + 1] * 2 == [add_rule(service, "a", user="x"), known.read_revision()]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [1, 2, 3, 4, 5]),
        ("settings=a", [1, 2, 5]),
        ("settings=old", [1, 2, 5]),
        ("settings=b", [3, 4, 5]),
        ("settings=", [5]),
        ("context_filters=user:(x)", [1, 4, 5]),
        ("settings=a&context_filters=user:(x),environment:*", [1, 2, 5]),
        ("context_filters=", [4, 5]),
        ("settings=a&context_filters=user:(x)&include_metadata=true", [1, 5]),
        ("settings=b&include_metadata=true&context_filters=user:*", [3, 4, 5]),
        ({"settings": ["old"], "context_filters": {"user": ["x"]}}, [1, 5]),
        ({"settings": ["b"]}, [3, 4, 5]),
    ],
)
def test_only_those_are_told_whose_answer_has_changed(service: RunningService, query: str | dict, expected: list[int]):
    """By names, aliases, filters and metadata, whether asked by GET or POST."""
    before = read_revision(service)
    with EventStream(service.port, query, before) as stream, EventStream(service.port, "", before) as all_told:
        for write in (
            lambda: add_rule(service, "a", user="x"),
            lambda: add_rule(service, "a", user="x", environment="dev"),
            lambda: add_rule(service, "b", user="y"),
            lambda: service.declare("b", version="1.1", default_value=7),
            lambda: service.add_features("zone"),
        ):
            write()
            # So that nothing is told together with what comes after it.
            all_told.read_revision()
        assert [before + number for number in expected] == [stream.read_revision() for _ in expected]


def test_metadata_is_told_to_those_who_ask_for_it(service: RunningService):
    """And to no others."""
    rule_id = service.add_rule("a", {"user": "x"}, 1)
    revision = read_revision(service)
    streams = [EventStream(service.port, query, revision) for query in ("include_metadata=true", "")]
    changed = put(service, f"/api/v1/rules/{rule_id}/metadata", {"metadata": {"by": "me"}})
    assert changed == streams[0].read_revision()
    assert [add_rule(service, "a", user="y")] * 2 == [stream.read_revision() for stream in streams]
    for stream in streams:
        stream.close()


def test_who_comes_back_is_told_whether_something_has_changed(service: RunningService):
    """Since the last event that it has seen."""
    with EventStream(service.port, "settings=a") as stream:
        last = stream.read_revision()
    add_rule(service, "b", user="x")
    with EventStream(service.port, "settings=a", last) as stream:
        assert BEAT == stream.read()
    revision = add_rule(service, "a", user="x")
    with EventStream(service.port, "settings=a", last) as stream:
        assert revision == stream.read_revision()


def test_a_demanded_revision_is_waited_for(service: RunningService):
    """It is there: this process has written it."""
    revision = add_rule(service, "a", user="x")
    with EventStream(service.port, headers={"Heksher-Min-Revision": str(revision)}) as stream:
        assert revision == stream.read_revision()


@pytest.mark.parametrize(
    ("question", "status"),
    [
        ("settings=unheard_of", 404),
        ("context_filters=null", 422),
        ("context_filters=user:*,user:*", 400),
        ("include_metadata=maybe", 422),
    ],
)
def test_a_stream_is_refused_as_its_query_is(service: RunningService, question: str, status: int):
    """With its status and body, as an ordinary answer: the connection goes on."""
    query, stream = (service.http.get(f"/api/v1/{name}?{question}") for name in ("query", "stream"))
    assert (status, query.content) == (stream.status_code, stream.content)
    assert query.headers["content-type"] == stream.headers["content-type"]


def test_a_posted_stream_is_refused_as_its_query_is(service: RunningService):
    """Also where its body is too large."""
    several = [b'{"settings":["unheard_of"]}', b"{", b'{"context_filters":"user:*,user:*"}', b" " * 5_000_000]
    statuses = [service.http.post(PATH, content=body).status_code for body in several]
    assert [404, 422, 400, 413] == statuses


def test_heartbeats_come_over_the_network(service: RunningService, monkeypatch: pytest.MonkeyPatch):
    """So whatever stands between client and service sees that the connection is alive."""
    monkeypatch.setattr(module, "_TICK_S", 0.001)
    with EventStream(service.port, last_revision=read_revision(service)) as stream:
        assert [BEAT] * 4 == [stream.read() for _ in range(4)]


def test_the_end_is_told_and_the_connection_closed():
    """To each stream, with the moment to come back; the service does not wait for its clients."""
    service = RunningService().start()
    fill(service)
    streams = [EventStream(service.port, last_revision=read_revision(service)) for _ in range(3)]
    service.stop()
    for stream in streams:
        fields = stream.read_event()
        assert ("end", "{}") == (fields["event"], fields["data"])
        assert 0 <= int(fields["retry"]) < module.MAX_RETURN_MS
        assert stream.read() is None
        stream.close()


def test_nothing_is_left_of_those_who_have_gone(service: RunningService):
    """However they go."""
    streams = [EventStream(service.port, f"settings={name}") for name in ("a", "b", "old", "")]
    assert wait_until(lambda: count_streams(service) == 4)
    for stream in streams:
        stream.close()
    assert wait_until(lambda: count_streams(service) == 0)
    held = service._application.services.streams
    assert (0, 0) == (len(held._groups), sum(map(len, held._beats)))


class Dam:
    """Stands in front of an application, and holds back the events of streams with the header ``X-Slow``.

    Attributes:
        is_open: while it is not set, nothing of them goes on.
        has_work: set when something came to the dam while it was closed.
    """

    def __init__(self) -> None:
        self.is_open = threading.Event()
        self.has_work = threading.Event()
        self.is_open.set()

    def wrap(self, app: ASGIApp) -> ASGIApp:
        async def call(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_slowly(message: dict) -> None:
                if not self.is_open.is_set():
                    self.has_work.set()
                    await asyncio.to_thread(self.is_open.wait)
                await send(message)

            is_slow = any(name == b"x-slow" for name, _ in scope["headers"])
            await app(scope, receive, send_slowly if is_slow else send)

        return call


@pytest.fixture
def dam() -> Iterator[Dam]:
    """A dam, which is open in the end."""
    dam = Dam()
    yield dam
    dam.is_open.set()


def test_who_does_not_read_is_told_the_newest_only(dam: Dam):
    """Once it reads again; others are told of each change meanwhile."""
    with RunningService(wrap=dam.wrap) as service:
        fill(service)
        before = read_revision(service)
        slow = EventStream(service.port, last_revision=before, headers={"X-Slow": "1"})
        quick = EventStream(service.port, last_revision=before)
        assert BEAT == slow.read()
        dam.is_open.clear()
        revisions = []
        for number in range(5):
            revisions.append(add_rule(service, "a", user=f"u{number}"))
            assert revisions[-1] == quick.read_revision()
            assert dam.has_work.wait(DEADLINE_S)
        dam.is_open.set()
        assert [revisions[0], revisions[-1]] == [slow.read_revision(), slow.read_revision()]
        slow.close()
        quick.close()


def test_who_reads_nothing_is_disconnected(dam: Dam, monkeypatch: pytest.MonkeyPatch):
    """And nobody else notices."""
    monkeypatch.setattr(module, "_TICK_S", 0.005)
    monkeypatch.setattr(module, "MAX_BLOCKED_S", 0.02)
    with RunningService(wrap=dam.wrap) as service:
        fill(service)
        before = read_revision(service)
        with (
            EventStream(service.port, last_revision=before, headers={"X-Slow": "1"}) as slow,
            EventStream(service.port, last_revision=before) as quick,
        ):
            assert BEAT == slow.read()
            dam.is_open.clear()
            first = add_rule(service, "a", user="x")
            assert wait_until(lambda: "heksher_streams_dropped_total 1.0" in service.http.get("/metrics").text)
            second = add_rule(service, "a", user="y")
            assert [first, second] == [quick.read_revision(), quick.read_revision()]
            assert 1 == count_streams(service)
            dam.is_open.set()
            assert slow.read_event() is None
