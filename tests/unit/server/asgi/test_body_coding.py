"""Bodies in a content coding."""

import gzip
import json
import re

import pytest
from starlette.routing import Route

from heksher.server.app import Application
from heksher.server.config import Config
from tests.support.asgi_call import send
from tests.support.catalogs import open_fragile

QUERY = "/api/v1/query"
GZIP = [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")]


@pytest.fixture(scope="module")
def app() -> Application:
    """An application with the setting ``cache_ttl``."""
    return Application(Config("unused"), open_fragile())


def list_routes_with_a_body() -> list[tuple[str, str]]:
    """Return method and path of each route that reads a body, as the API describes it."""
    paths = Application(Config("unused"), open_fragile()).api.openapi()["paths"]
    fill = {"name": "cache_ttl", "key": "a", "rule_id": "1", "proposal_id": "1", "prefix": "a.", "revision": "1"}
    return [
        (method.upper(), re.sub(r"{(\w+)}", lambda match: fill[match[1]], path))
        for path, operations in paths.items()
        for method, operation in operations.items()
        if "requestBody" in operation
    ]


@pytest.mark.parametrize(("method", "path"), list_routes_with_a_body())
def test_a_compressed_body_is_refused(app: Application, method: str, path: str):
    """With 415, what to do, and the header that says that it is about the coding; whatever is in it."""
    for body in (gzip.compress(b"{}"), b"{}"):
        refused = send(app, method, path, GZIP, body)
        assert (415, b"identity") == (refused.status, refused.headers[b"accept-encoding"])
        detail = "a body with Content-Encoding: gzip is not read here: send it as it is, without this header"
        assert detail == json.loads(refused.body)["detail"]


def test_there_are_such_routes():
    """Declarations, rules, metadata, queries and streams."""
    routes = list_routes_with_a_body()
    assert len(routes) > 15
    assert {("POST", QUERY), ("POST", "/api/v1/stream"), ("DELETE", "/api/v1/settings/cache_ttl/metadata")} <= set(
        routes
    )


def test_an_answer_in_memory_does_not_make_a_difference(app: Application):
    """The same bytes without the header were answered before."""
    assert 200 == send(app, "POST", QUERY, body=b"{}").status
    assert 415 == send(app, "POST", QUERY, GZIP, b"{}").status


@pytest.mark.parametrize("coding", [b"br", b"zstd", b"gzip, identity", b"GZIP", b"x" * 5000, b"\xff"])
def test_any_coding_is_refused(app: Application, coding: bytes):
    """In an answer that is not longer for a longer name."""
    refused = send(app, "POST", QUERY, [(b"content-encoding", coding)], b"{}")
    assert (415, True) == (refused.status, len(refused.body) < 300)


@pytest.mark.parametrize("coding", [b"", b" ", b"identity", b"Identity"])
def test_no_coding_is_none(app: Application, coding: bytes):
    """However it is written."""
    assert 200 == send(app, "POST", QUERY, [(b"content-encoding", coding)], b"{}").status


def test_what_is_not_read_is_not_refused(app: Application):
    """A route without a body, and a path without a route, have something more important to say."""
    assert [200, 404, 404, 405] == [
        send(app, method, path, GZIP, b"x").status
        for method, path in [
            ("GET", QUERY),
            ("POST", "/nothing"),
            ("DELETE", "/api/v1/settings/other"),
            ("PUT", QUERY),
        ]
    ]


def test_every_described_route_says_so(app: Application):
    """The 415 is in the API's description of each route with a body, and of no other."""
    for route in app.api.routes:
        if isinstance(route, Route) and route.include_in_schema:
            operation = app.api.openapi()["paths"][route.path]
            for method in route.methods or ():
                described = operation[method.lower()]
                assert ("requestBody" in described) == ("415" in described["responses"]), (method, route.path)
