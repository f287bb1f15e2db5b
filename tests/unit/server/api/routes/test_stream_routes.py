"""The stream routes: what opens a stream, and what is refused."""

import pytest

from heksher.server.app import Application
from heksher.server.catalog.query import CatalogQuery
from heksher.server.config import Config
from heksher.server.operations import rules
from heksher.server.storage.base import NOBODY
from tests.support.asgi_call import send
from tests.support.catalogs import FragileStorage, open_fragile

QUERY, STREAM = "/api/v1/query", "/api/v1/stream"


@pytest.fixture
def storage() -> FragileStorage:
    """A storage that can go away."""
    return open_fragile()


@pytest.fixture
def app(storage: FragileStorage) -> Application:
    """The application on it."""
    return Application(Config("unused", has_access_log=True), storage)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("question", "body", "status"),
    [
        ("settings=other", b'{"settings":["other"]}', 404),
        ("context_filters=null", b'{"context_filters":"null"}', 422),
        ("context_filters=user:*,user:*", b'{"context_filters":"user:*,user:*"}', 400),
        ("include_metadata=maybe", b'{"include_metadata":"maybe"}', 422),
    ],
)
def test_a_stream_is_refused_as_its_query_is(app: Application, method: str, question: str, body: bytes, status: int):
    """With the same status and body."""
    paths = [f"{path}?{question}" if method == "GET" else path for path in (QUERY, STREAM)]
    answers = [send(app, method, path, body=b"" if method == "GET" else body) for path in paths]
    assert [status, status] == [answer.status for answer in answers]
    assert answers[0].body == answers[1].body


@pytest.mark.parametrize(
    ("last_event_id", "has_event"),
    [
        (None, True),
        (b"1", False),
        (b"1-0123456789ab", True),
        (b"0", True),
        (b"2", True),
        (b"", True),
        (b"x", True),
        (b"9" * 10_000, True),
    ],
)
def test_a_client_says_what_it_knows(app: Application, last_event_id: bytes | None, *, has_event: bool):
    """An id that is no revision is none that the service has given, so the client may know nothing."""
    headers = [] if last_event_id is None else [(b"last-event-id", last_event_id)]
    assert has_event == send(app, "GET", STREAM, headers).body.startswith(b"event: change\nid: 1-")


def test_what_a_client_has_of_an_answer_is_not_about_a_stream(app: Application):
    """A tag makes no stream a 304, and no encoding is chosen."""
    headers = [(b"if-none-match", b"*"), (b"accept-encoding", b"gzip")]
    made = send(app, "GET", STREAM, headers)
    assert 200 == made.status
    assert b"content-encoding" not in made.headers


def test_a_stream_can_demand_a_revision(app: Application, storage: FragileStorage):
    """As a query can."""
    send(app, "GET", QUERY)
    rules.delete(storage, 1, NOBODY)
    assert b"id: 2-" in send(app, "GET", STREAM, [(b"heksher-min-revision", b"2")]).body
    storage.is_away = True
    assert 503 == send(app, "GET", STREAM, [(b"heksher-min-revision", b"3")]).status


def test_a_stream_is_opened_at_least_where_the_client_is(app: Application, storage: FragileStorage):
    """A process that lacks the last event's revision looks for it, and does without if the database is away."""
    send(app, "GET", QUERY)
    rules.delete(storage, 1, NOBODY)
    newest = str(storage.read(lambda reader: reader.revision_id())).encode()
    assert b":\n\n" == send(app, "GET", STREAM, [(b"last-event-id", newest)]).body
    rules.delete(storage, 2, NOBODY)
    storage.is_away = True
    assert b"id: " + newest in send(app, "GET", STREAM, [(b"last-event-id", b"3")]).body


def test_a_process_that_is_about_to_end_opens_no_streams(app: Application):
    """The client is to come back in a moment; queries are answered still."""
    app.end_streams()
    refused = send(app, "GET", STREAM)
    assert (503, b"1") == (refused.status, refused.headers[b"retry-after"])
    assert 200 == send(app, "GET", QUERY).status


def test_the_queries_of_open_streams_take_no_more_memory_than_they_may(app: Application):
    """Another large one is to come back later; a small one, and one that is held already, is answered."""
    values = ",".join(f"v{number}" for number in range(90_000))
    held = CatalogQuery(filters={"user": frozenset(values.split(","))})
    for number in range(3):
        app.services.streams.queries.take(b"%d" % number, held)
    refused = send(app, "POST", STREAM, body=b'{"context_filters":"user:(%s)"}' % values.encode())
    assert (503, b"60") == (refused.status, refused.headers[b"retry-after"])
    assert 200 == send(app, "GET", STREAM).status
    app.services.streams.queries.release(b"0")
    assert 200 == send(app, "POST", STREAM, body=b'{"context_filters":"user:(%s)"}' % values.encode()).status


def test_a_stream_is_documented_as_its_query_is(app: Application):
    """With the same parameters, but for what is about an answer; the last event is one more."""
    paths = app.api.openapi()["paths"]
    for method in ("get", "post"):
        query, stream = paths[QUERY][method], paths[STREAM][method]
        names = [{parameter["name"].lower() for parameter in route["parameters"]} for route in (query, stream)]
        assert names[0] - {"if-none-match"} | {"last-event-id"} == names[1]
        assert query.get("requestBody") == stream.get("requestBody")
        assert set(query["responses"]) - {"304"} == set(stream["responses"])
        assert ["text/event-stream"] == list(stream["responses"]["200"]["content"])


def test_nothing_is_answered_to_open_a_stream(app: Application):
    """What the query would be answered with is not made: no answer is kept."""
    assert 200 == send(app, "GET", STREAM).status
    assert b"heksher_cache_misses_total 0.0\n" in send(app, "GET", "/metrics").body


@pytest.mark.parametrize(
    ("method", "query", "body"), [("GET", b"settings=cache_ttl", b""), ("POST", b"", b'{"settings":["cache_ttl"]}')]
)
def test_a_stream_that_was_opened_is_a_use(app: Application, method: str, query: bytes, body: bytes):
    """However soon it is closed again."""
    path = f"{STREAM}?{query.decode()}" if query else STREAM
    assert 200 == send(app, method, path, [(b"user-agent", b"web/1")], body).status
    counted = app.services.uses.take()
    assert ({"cache_ttl": (b"web/1", b"")}, {(b"web/1", b""): 0}) == (counted.settings, counted.clients)
