"""HEAD on every route that has GET, and what methods without a body may send."""

import http.client
import logging
import re

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import BaseRoute, Route

from heksher.server.api.routes.documentation_routes import ASSETS
from heksher.server.app import Application
from heksher.server.config import Config
from heksher.server.services import Services
from tests.support.asgi_call import Call, read_metrics, send
from tests.support.catalogs import open_fragile
from tests.support.service import RunningService

# What stands for the parameters of paths: things that are there.
PARTS = {"name": "cache_ttl", "rule_id": "1", "revision": "1", "proposal_id": "1", "prefix": "shop."}


def make_pages(_: Services) -> Starlette:
    """Make an application that answers in several parts, once it has the body of the request."""

    async def show(request: Request) -> StreamingResponse:
        assert b"" == await request.body()
        return StreamingResponse(iter([b"a", b"b"]), headers={"X-Page": "yes"})

    return Starlette(routes=[Route("/page", show)])


def make_application() -> Application:
    return Application(Config("unused", has_access_log=True), open_fragile(), {"/ui": make_pages})


def list_paths(routes: list[BaseRoute]) -> list[str]:
    """Return a path for each route that has GET."""
    patterns = {route.path for route in routes if isinstance(route, Route) and "GET" in (route.methods or ())}
    paths = {re.sub(r"{(\w+)}", lambda match: PARTS[match[1]], pattern) for pattern in patterns}
    return sorted({*paths - {"/docs/assets/cache_ttl"}, f"/docs/assets/{min(ASSETS)}", "/ui/page"})


PATHS = list_paths(make_application().api.routes)


# Answers that are never the same twice: one counts requests, one has an age.
UNSTEADY = {"/metrics", "/healthz/ready"}


def read_head(path: str, answer: Call) -> tuple[int, dict[bytes, bytes]]:
    """Return status and header fields of an answer, without what differs from one to the next of the same request."""
    # Answers from memory have no id.
    changing = {b"x-request-id", b"content-length"} if path in UNSTEADY else {b"x-request-id"}
    return answer.status, {name: value for name, value in answer.headers.items() if name not in changing}


def test_there_are_routes_to_ask():
    """Those of the API, of the service, of the documentation and of what is mounted."""
    assert {"/api/v1/query", "/api/v1/stream", "/metrics", "/healthz/ready", "/openapi.json", "/ui/page"} <= set(PATHS)


@pytest.mark.parametrize("path", PATHS)
def test_every_route_with_get_has_head(path: str):
    """Status and header fields are those of GET, the first time and from memory; there is no body, and a proper end."""
    app = make_application()
    for _ in range(2):
        got, headed = send(app, "GET", path), send(app, "HEAD", path)
        assert read_head(path, got) == read_head(path, headed)
        assert [{"type": "http.response.body", "body": b""}] == headed.messages[1:]


def test_what_get_is_refused_head_is_refused():
    """With its status: an unknown setting, a tag that fits, an actor that is none, a path without a route."""
    app = make_application()
    tag = send(app, "GET", "/api/v1/query").headers[b"etag"]
    assert [404, 304, 400, 405, 404] == [
        send(app, "HEAD", path, headers).status
        for path, headers in [
            ("/api/v1/settings/other", ()),
            ("/api/v1/query", [(b"if-none-match", tag)]),
            ("/api/v1/query", [(b"heksher-actor", b"%")]),
            ("/api/v1/rules", ()),
            ("/nothing", ()),
        ]
    ]


def test_a_fault_is_answered_without_a_body(monkeypatch: pytest.MonkeyPatch):
    """As one of GET, with its id."""
    app = make_application()
    monkeypatch.setattr("heksher.server.queries.query_service.find_settings", lambda *_: 1 / 0)
    failed = send(app, "HEAD", "/api/v1/query", [(b"x-request-id", b"abc")])
    assert (500, b"abc", b"") == (failed.status, failed.headers[b"x-request-id"], failed.body)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_methods_without_bodies_pass(method: str):
    """Nobody reads what they send, so it is not looked at either."""
    app = Application(Config("unused", max_body_bytes=10), open_fragile())
    headers = [(b"content-length", b"11"), (b"content-encoding", b"gzip")]
    for path in ("/api/v1/query", "/api/v1/settings", "/docs"):
        assert 200 == send(app, method, path, headers, b"x" * 11).status


def test_a_head_is_recorded(caplog: pytest.LogCaptureFixture):
    """In the log by its own method and without the bytes of GET; a stream that it has opened is closed."""
    app = make_application()
    caplog.set_level(logging.INFO, "heksher.access")
    for path in ("/api/v1/query", "/api/v1/query", "/api/v1/stream", "/healthz/live"):
        send(app, "HEAD", path)
    assert ["/api/v1/query", "/api/v1/query", "/api/v1/stream", "/healthz/live"] == [
        re.match(r"HEAD (\S+) 200, 0 bytes ", message)[1] for message in caplog.messages
    ]
    assert '{route="/api/v1/query",status="200"} 2.0' in read_metrics(app)
    assert b"\nheksher_streams 0.0\n" in send(app, "GET", "/metrics").body


def test_a_connection_goes_on_after_a_head():
    """By HTTP: nothing of a body is sent that would be taken for the next answer, also of a stream."""
    with RunningService() as service:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
        for path in ("/api/v1/query", "/api/v1/query", "/api/v1/stream", "/docs", "/nothing"):
            connection.request("HEAD", path)
            headed = connection.getresponse()
            assert (b"", path == "/nothing") == (headed.read(), headed.status == 404)
            connection.request("GET", "/healthz/live")
            assert b'{"live":true}' == connection.getresponse().read()
        connection.close()
