"""What stands in front of the framework: what it answers by itself, and what it passes on."""

import logging
import re

import pytest

from heksher.server.app import Application
from heksher.server.asgi import fast_path
from heksher.server.config import Config
from tests.support.asgi_call import read_metrics, send
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


def test_what_is_in_memory_never_comes_to_the_framework(app: Application, monkeypatch: pytest.MonkeyPatch):
    """In either way to ask; what is asked for the first time does."""
    send(app, "GET", QUERY)
    send(app, "POST", QUERY, body=b"{}")
    monkeypatch.setattr(type(app.api), "__call__", None)
    assert [200, 200] == [send(app, "GET", QUERY).status, send(app, "POST", QUERY, body=b"{}").status]
    tag = send(app, "GET", QUERY).headers[b"etag"]
    assert 304 == send(app, "POST", QUERY, [(b"if-none-match", tag)], b"{}").status
    with pytest.raises(TypeError):
        send(app, "GET", f"{QUERY}?settings=")


def test_a_posted_body_comes_to_the_framework_whole(app: Application):
    """Though it was read before, and however it came."""
    assert b'{"settings":{}}' == send(app, "POST", QUERY, body=b'{"settings":[]}').body


def test_a_body_that_is_too_large_is_refused(storage: FragileStorage):
    """It is read up to the limit only, in queries and streams alike."""
    app = Application(Config("unused", max_body_bytes=10), storage)
    for path in (QUERY, STREAM):
        assert 413 == send(app, "POST", path, body=b" " * 11).status
        assert 422 == send(app, "POST", path, body=b" " * 10).status


def test_requests_are_counted_by_route(app: Application):
    """The front's own, the framework's, streams, and those that nothing takes."""
    send(app, "GET", QUERY)
    send(app, "GET", QUERY)
    send(app, "GET", "/api/v1/settings/cache_ttl")
    send(app, "GET", "/api/v1/settings/other")
    send(app, "GET", STREAM)
    send(app, "GET", f"{STREAM}?settings=other")
    send(app, "GET", "/made/up/by/anybody")
    assert {
        '{route="/api/v1/query",status="200"} 2.0',
        '{route="/api/v1/settings/{name}",status="200"} 1.0',
        '{route="/api/v1/settings/{name}",status="404"} 1.0',
        '{route="/api/v1/stream",status="200"} 1.0',
        '{route="/api/v1/stream",status="404"} 1.0',
        '{route="unmatched",status="404"} 1.0',
    } == read_metrics(app)


def test_requests_are_logged_if_that_is_wanted(
    app: Application, storage: FragileStorage, caplog: pytest.LogCaptureFixture
):
    """One line each, whoever answers; a stream when it begins."""
    caplog.set_level(logging.INFO, "heksher.access")
    for path in (f"{QUERY}?settings=", f"{QUERY}?settings=", STREAM, "/nothing"):
        send(app, "GET", path)
    lines = [re.sub(r"in .* ms", "in ? ms", message) for message in caplog.messages]
    assert [
        "GET /api/v1/query 200, 15 bytes in ? ms to 10.0.0.7",
        "GET /api/v1/query 200, 15 bytes in ? ms to 10.0.0.7",
        "GET /api/v1/stream 200, 0 bytes in ? ms to 10.0.0.7",
        "GET /nothing 404, 69 bytes in ? ms to 10.0.0.7",
    ] == lines
    caplog.clear()
    send(Application(Config("unused"), storage), "GET", QUERY)
    assert [] == caplog.messages


def test_scrapes_are_not_logged(app: Application, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    """There would be one each few seconds, for each replica; one that fails is, and all are counted."""
    caplog.set_level(logging.INFO, "heksher.access")
    send(app, "GET", "/metrics")
    assert {'{route="/metrics",status="200"} 1.0'} == read_metrics(app)
    assert [] == caplog.messages
    send(app, "POST", "/metrics")
    monkeypatch.setattr(app.services.metrics, "render", lambda: 1 / 0)
    send(app, "GET", "/metrics")
    access = [record.getMessage() for record in caplog.records if record.name == "heksher.access"]
    assert ["POST /metrics 405", "GET /metrics 500"] == [message.partition(",")[0] for message in access]


@pytest.mark.parametrize("path", [f"{QUERY}?settings=other", f"{STREAM}?settings=other", "/api/health"])
def test_an_answer_of_the_framework_has_the_id_of_its_request(app: Application, path: str):
    """The one that came with it, or a new one."""
    assert b"abc" == send(app, "GET", path, [(b"x-request-id", b"abc")]).headers[b"x-request-id"]
    assert re.fullmatch(rb"[0-9a-f]{16}", send(app, "GET", path).headers[b"x-request-id"])


def test_a_fault_is_answered_and_counted(
    app: Application, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """A stream's as well: with the id under which it is logged."""
    send(app, "GET", QUERY)
    monkeypatch.setattr("heksher.server.queries.query_service.find_settings", lambda *_: 1 / 0)
    for path in (f"{QUERY}?settings=", f"{STREAM}?settings="):
        made = send(app, "GET", path, [(b"x-request-id", b"abc")])
        assert (500, True) == (made.status, b'"request_id":"abc"' in made.body)
    assert ["request abc failed: an error of the service, not of its client"] * 2 == caplog.messages
    assert '{route="/api/v1/stream",status="500"} 1.0' in read_metrics(app)


def test_other_methods_are_refused(app: Application):
    """As the query's."""
    for path in (QUERY, STREAM):
        refused = send(app, "DELETE", path)
        assert (405, b"GET, HEAD, POST") == (refused.status, refused.headers[b"allow"])


@pytest.mark.parametrize(("method", "body"), [("GET", b""), ("POST", b'{"settings":[]}')])
def test_what_is_passed_on_is_read_once(app: Application, monkeypatch: pytest.MonkeyPatch, method: str, body: bytes):
    """The framework's route goes by what was found out on the way to it."""
    calls: list[str] = []
    reading, keying = app.services.query_service.read_preferences, fast_path.make_key

    def read(headers):
        calls.append("preferences")
        return reading(headers)

    def make_key(*arguments):
        calls.append("key")
        return keying(*arguments)

    monkeypatch.setattr(app.services.query_service, "read_preferences", read)
    monkeypatch.setattr(fast_path, "make_key", make_key)
    assert 200 == send(app, method, QUERY, body=body).status
    assert ["key", "preferences"] == calls
