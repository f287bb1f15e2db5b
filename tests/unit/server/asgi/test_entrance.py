"""Who may talk to the service at all."""

import logging

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from heksher.server.app import Application
from heksher.server.asgi.access import Access, mark_access
from heksher.server.config import Config
from heksher.wire import REVISION_HEADER
from tests.support.asgi_call import read_metrics, send
from tests.support.catalogs import FragileStorage, open_fragile
from tests.support.operations import read_last

QUERY = "/api/v1/query"
FEATURES = "/api/v1/context_features"
BODY = b'{"context_feature":"stolen"}'
LOOPBACK = ("127.0.0.1", 8000)
EVIL = (b"origin", b"http://evil.example")
CROSS = (b"sec-fetch-site", b"cross-site")
OWN_PAGE = [(b"host", b"localhost:8000"), (b"origin", b"http://localhost:8000"), (b"sec-fetch-site", b"same-origin")]


@pytest.fixture
def storage() -> FragileStorage:
    """A storage with one setting."""
    return open_fragile()


def make_app(storage: FragileStorage, **options: object) -> Application:
    return Application(Config("unused", has_access_log=True, **options), storage)


@pytest.fixture
def app(storage: FragileStorage) -> Application:
    """The application on it."""
    return make_app(storage)


def list_unsafe_requests(api: FastAPI) -> list[tuple[str, str]]:
    """Return a method and a path of each route that is called by another method than those for reading."""
    return [
        (method, route.path.format(name="a", rule_id=1, key="b", revision=1, proposal_id=1, prefix="a."))
        for route in api.routes
        for method in route.methods - {"GET", "HEAD"}
    ]


@pytest.mark.parametrize(
    "headers",
    [
        [CROSS],
        [(b"sec-fetch-site", b"same-site")],
        [EVIL],
        [(b"origin", b"null")],
        [EVIL, CROSS],
        [(b"host", b"evil.example"), (b"origin", b"null"), (b"sec-fetch-site", b"same-origin")],
    ],
)
def test_no_route_writes_for_a_page_of_another_origin(
    app: Application, storage: FragileStorage, headers: list[tuple[bytes, bytes]]
):
    """Whatever the type of the body is; what only reads is answered."""
    revision = read_last(storage.inner).revision
    for method, path in list_unsafe_requests(app.api):
        for types in ([], [(b"content-type", b"")], [(b"content-type", b"application/json")]):
            status = send(app, method, path, [*headers, *types], BODY).status
            assert (403 == status) == (path not in {QUERY, "/api/v1/stream", "/api/v1/evaluate"}), (method, path)
    assert revision == read_last(storage.inner).revision


def test_what_writes_is_refused_before_its_body_is_read(app: Application):
    """As problem details; it is counted and logged."""
    refused = send(app, "POST", FEATURES, [EVIL, (b"x-request-id", b"abc")], b"{")
    assert (403, b"application/problem+json", b"abc") == (
        refused.status,
        refused.headers[b"content-type"],
        refused.headers[b"x-request-id"],
    )
    detail = refused.json()["detail"]
    assert detail.startswith("a web page of 'http://evil.example' cannot write to this service")
    assert '{route="unmatched",status="403"} 1.0' in read_metrics(app)


@pytest.mark.parametrize("headers", [[], OWN_PAGE, OWN_PAGE[:2], [OWN_PAGE[2]], [(b"sec-fetch-site", b"none")]])
def test_programs_and_its_own_pages_write(app: Application, headers: list[tuple[bytes, bytes]]):
    """As they always did."""
    written = send(app, "POST", FEATURES, headers, BODY, server=LOOPBACK)
    assert 204 == written.status
    assert REVISION_HEADER.lower().encode() in written.headers


@pytest.mark.parametrize(
    ("method", "path"), [("GET", QUERY), ("HEAD", "/docs"), ("OPTIONS", FEATURES), ("GET", "/docs")]
)
def test_what_reads_is_answered_to_any_page(app: Application, method: str, path: str):
    """A link on a page leads to the documentation; no page is told that it may have the answer."""
    assert 403 != (answer := send(app, method, path, [EVIL, CROSS])).status
    assert not [name for name in answer.headers if name.startswith(b"access-control-")]


PATHS = [QUERY, FEATURES, "/api/v1/stream", "/metrics", "/docs", "/healthz/live", "/nothing"]


@pytest.mark.parametrize("path", PATHS)
def test_a_rebound_name_reads_nothing(app: Application, path: str):
    """Not even what is in memory: the answer says only what to do if the name is one of the service."""
    send(app, "GET", QUERY)
    headers = [(b"host", b"evil.example:8000"), (b"sec-fetch-site", b"same-origin")]
    refused = send(app, "GET", path, headers, server=LOOPBACK)
    assert 421 == refused.status
    assert refused.json()["detail"].startswith("this service does not go by the name 'evil.example'.")
    assert {b"content-type", b"content-length", b"x-request-id", b"x-content-type-options"} == set(refused.headers)
    assert 421 != send(app, "GET", path, headers, server=("10.0.0.1", 8000)).status
    assert 421 != send(app, "GET", path, [(b"host", b"LocalHost")], server=LOOPBACK).status


def test_names_can_be_allowed(storage: FragileStorage):
    """One by one, and with the public URL."""
    app = make_app(storage, allowed_hosts=("a",), public_url="https://b")
    statuses = [send(app, "GET", QUERY, [(b"host", host)], server=LOOPBACK).status for host in (b"a", b"b", b"c")]
    assert [200, 200, 421] == statuses


@pytest.mark.parametrize("header", [b"host", b"origin", b"sec-fetch-site", b"heksher-actor", b"heksher-reason"])
def test_what_decides_stands_once(app: Application, header: bytes):
    """Of two values a proxy could have checked the one that does not count."""
    refused = send(app, "GET", QUERY, [(header, b"a"), (header, b"a")])
    assert (400, True) == (refused.status, b"the header stands more than once" in refused.body)


def test_a_proxy_is_believed_only_where_it_is_trusted(storage: FragileStorage, caplog: pytest.LogCaptureFixture):
    """For the address that is logged, and for the scheme that the origin of a page is compared with."""
    caplog.set_level(logging.INFO, "heksher.access")
    said = [(b"x-forwarded-for", b"9.9.9.9"), (b"x-forwarded-proto", b"https")]
    page = [(b"host", b"heksher"), (b"origin", b"https://heksher"), (b"sec-fetch-site", b"same-origin")]
    for proxies, status, address in ((("10.0.0.7",), 204, "9.9.9.9"), ((), 403, "10.0.0.7")):
        app = make_app(storage, trusted_proxies=proxies, is_insecure=True)
        body = b'{"context_feature":"f%d"}' % status
        assert status == send(app, "POST", FEATURES, [*said, *page], body).status
        assert caplog.messages[-1].endswith(f" to {address}")


def test_nobody_writes_lines_into_the_log(storage: FragileStorage, caplog: pytest.LogCaptureFixture):
    """Not by a proxy that passes on what it is sent either."""
    caplog.set_level(logging.INFO, "heksher.access")
    app = make_app(storage, trusted_proxies=("127.0.0.1",))
    forged = b"9.9.9.9 [x] 2026-11-28 INFO heksher.access: DELETE /api/v1/rules/1 204" + b"x" * 3_000
    send(app, "GET", "/nothing", [(b"x-forwarded-for", forged)], client=("127.0.0.1", 1))
    assert caplog.messages[-1].endswith(" ms to 127.0.0.1")


ALL_ANSWERS = [
    ("GET", QUERY, [], 200),
    ("GET", QUERY, [(b"if-none-match", b"*")], 304),
    ("GET", "/api/v1/stream", [], 200),
    ("GET", "/docs", [], 200),
    ("GET", "/openapi.json", [], 200),
    ("GET", "/metrics", [], 200),
    ("GET", "/api/health/", [], 307),
    ("GET", "/nothing", [], 404),
    ("DELETE", QUERY, [], 405),
    ("POST", QUERY, [(b"content-length", b"100000000")], 413),
    ("POST", FEATURES, [], 422),
    ("POST", FEATURES, [EVIL], 403),
    ("GET", QUERY, [(b"heksher-actor", b"%")], 400),
]


@pytest.mark.parametrize(("method", "path", "headers", "status"), ALL_ANSWERS)
def test_a_browser_is_told_to_believe_the_type_of_each_answer(
    app: Application, method: str, path: str, headers: list[tuple[bytes, bytes]], status: int
):
    """Else it might run what a page includes as a script."""
    send(app, "GET", QUERY)
    answer = send(app, method, path, headers)
    told = [value for name, value in answer.messages[0]["headers"] if name == b"x-content-type-options"]
    assert (status, [b"nosniff"]) == (answer.status, told)


@pytest.mark.parametrize(
    ("method", "headers", "body", "status"),
    [("POST", [(b"content-type", b"application/json")], b"{}", 200), ("GET", [(b"if-none-match", b"*")], b"", 304)],
)
def test_it_is_told_so_once(
    app: Application, method: str, headers: list[tuple[bytes, bytes]], body: bytes, status: int
):
    """Also in an answer that was made for memory, and is not sent from there."""
    answer = send(app, method, QUERY, headers, body)
    told = [value for name, value in answer.messages[0]["headers"] if name == b"x-content-type-options"]
    assert (status, [b"nosniff"]) == (answer.status, told)


APP_PAGE = (b"origin", b"https://app.example")
ASKING = [APP_PAGE, (b"access-control-request-method", b"POST"), (b"access-control-request-headers", b"content-type")]


@pytest.fixture
def opened(storage: FragileStorage) -> Application:
    """An application with routes that are open to other origins, to which a page of one of them comes."""
    app = make_app(storage, cors_origins=("https://app.example",))

    def make_route(path: str, access: Access) -> Route:
        async def answer(_: Request) -> PlainTextResponse:
            return PlainTextResponse("done")

        return Route(path, mark_access(answer, access), methods=["POST"])

    accesses = {
        "/open": Access(is_write=True, role=None, is_open_to_origins=True),
        "/closed": Access(is_write=True, role=None),
        "/read": Access(is_write=False, role=None),
    }
    app.api.router.routes.extend(make_route(path, access) for path, access in accesses.items())
    return app


def test_an_open_route_is_called_by_pages_of_the_configured_origins(opened: Application):
    """The browser asks beforehand, and is told that its page may have the answer."""
    asked = send(opened, "OPTIONS", "/open", ASKING)
    assert (200, b"https://app.example") == (asked.status, asked.headers[b"access-control-allow-origin"])
    assert b"nosniff" == asked.headers[b"x-content-type-options"]
    answer = send(opened, "POST", "/open", [APP_PAGE, CROSS])
    assert (200, b"https://app.example") == (answer.status, answer.headers[b"access-control-allow-origin"])
    assert '{route="unmatched",status="200"} 2.0' in read_metrics(opened)


@pytest.mark.parametrize(("path", "status"), [("/closed", 403), ("/read", 200), (FEATURES, 403), ("/nothing", 403)])
def test_other_routes_are_not(opened: Application, path: str, status: int):
    """They are as closed to these pages as to all others."""
    for method, headers, expected in (("OPTIONS", ASKING, None), ("POST", [APP_PAGE, CROSS], status)):
        answer = send(opened, method, path, headers)
        assert expected in {None, answer.status}
        assert b"access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", [b"http://evil.example", b"null", b"http://app.example", b"https://app.example:444"])
def test_an_open_route_is_not_called_by_other_pages(opened: Application, origin: bytes):
    """Nor by those of an origin that is only like a configured one."""
    asked = send(opened, "OPTIONS", "/open", [(b"origin", origin), *ASKING[1:]])
    refused = send(opened, "POST", "/open", [(b"origin", origin), CROSS])
    assert 403 == refused.status
    assert [False] * 2 == [b"access-control-allow-origin" in answer.headers for answer in (asked, refused)]
