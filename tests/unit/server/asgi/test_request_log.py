"""What is recorded of requests that the framework answers, the API's and those of mounted applications."""

import logging
import re

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Match, Route

from heksher.server.app import Application
from heksher.server.asgi import request_log
from heksher.server.asgi.caller import get_caller
from heksher.server.asgi.request_log import tells_routes
from heksher.server.config import Config
from heksher.server.services import Services
from tests.support.asgi_call import read_metrics, send
from tests.support.catalogs import open_fragile


def make_pages(services: Services) -> Starlette:
    """Make an application of pages with HTML errors of its own."""

    async def greet(request: Request) -> HTMLResponse:
        revision = services.readiness.describe()["revision"]
        return HTMLResponse(f"<p>{get_caller(request.scope).actor}: {request.path_params['name']}, {revision}</p>")

    async def fail(_: Request) -> HTMLResponse:
        raise ZeroDivisionError

    async def show_error(_: Request, error: Exception) -> HTMLResponse:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return HTMLResponse(f"<h1>{status}</h1>", status)

    async def read(request: Request) -> HTMLResponse:
        return HTMLResponse(f"<p>{len(await request.body())}</p>")

    routes = [Route("/pages/{name}", greet), Route("/fail", fail), Route("/read", read, methods=["POST"])]
    return Starlette(routes=routes, exception_handlers={HTTPException: show_error, Exception: show_error})


@pytest.fixture
def app() -> Application:
    """The API with pages beside it."""
    config = Config("unused", has_access_log=True, max_body_bytes=10)
    return Application(config, open_fragile(), {"/ui": make_pages})


def test_a_mounted_application_answers_below_its_path(app: Application):
    """With the services and the caller that the API has, too; the API answers everywhere else."""
    send(app, "GET", "/api/v1/query")
    shown = send(app, "GET", "/ui/pages/a", [(b"heksher-actor", b"ada")])
    assert (200, b"<p>ada: a, 1</p>") == (shown.status, shown.body)
    assert 200 == send(app, "GET", "/api/v1/settings").status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/ui/nothing", 404), ("DELETE", "/ui/fail", 405), ("GET", "/ui/fail", 500), ("POST", "/ui/read", 413)],
)
def test_errors_of_a_mounted_application_are_its_own(app: Application, method: str, path: str, status: int):
    """They are HTML here, and the API's stay JSON."""
    refused = send(app, method, path, body=b"x" * 11)
    assert (status, f"<h1>{status}</h1>".encode()) == (refused.status, refused.body)
    assert send(app, "GET", "/uiverse").body.startswith(b'{"detail":')
    assert send(app, "DELETE", "/api/v1/settings").body.startswith(b'{"detail":')


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("query", ["", "?a=%2F&b"])
def test_the_path_of_a_mounted_application_needs_no_slash(app: Application, method: str, query: str):
    """Without one it goes on at the path with it, relative to what the client asked for, and with the same query."""
    answer = send(app, method, f"/ui{query}")
    assert (307, f"ui/{query}".encode()) == (answer.status, answer.headers[b"location"])
    assert {'{route="/ui",status="307"} 1.0'} == read_metrics(app)


@pytest.mark.parametrize("path", ["/ui/pages/a", "/ui/nothing", "/ui/fail", "/api/v1/settings", "/nothing"])
def test_every_answer_has_an_id(app: Application, path: str):
    """The one that came with the request, or a new one."""
    assert b"abc" == send(app, "GET", path, [(b"x-request-id", b"abc")]).headers[b"x-request-id"]
    assert re.fullmatch(rb"[0-9a-f]{16}", send(app, "GET", path).headers[b"x-request-id"])


def test_every_answer_is_counted_by_its_route(app: Application):
    """Routes of a mounted application have its path in front; all that it has no route for count as one."""
    for path in ("/ui/pages/a", "/ui/pages/b", "/ui/fail", "/ui/nothing", "/ui/other", "/api/v1/settings"):
        send(app, "GET", path)
    assert {
        '{route="/ui/pages/{name}",status="200"} 2.0',
        '{route="/ui/fail",status="500"} 1.0',
        '{route="/ui",status="404"} 2.0',
        '{route="/api/v1/settings",status="200"} 1.0',
    } == read_metrics(app)


def test_every_answer_is_logged(app: Application, caplog: pytest.LogCaptureFixture):
    """A fault of a mounted application with its error, once."""
    caplog.set_level(logging.INFO, "heksher")
    send(app, "GET", "/ui/nothing")
    send(app, "GET", "/ui/fail", [(b"x-request-id", b"abc")])
    lines = [re.sub(r"in .* ms", "in ? ms", message) for message in caplog.messages]
    assert [
        "GET /ui/nothing 404, 12 bytes in ? ms to 10.0.0.7",
        "request abc failed: an error of the service, not of its client",
        "GET /ui/fail 500, 12 bytes in ? ms to 10.0.0.7",
    ] == lines
    assert [ZeroDivisionError] == [record.exc_info[0] for record in caplog.records if record.exc_info]


class SilentRoute(Route):
    """A route of a framework that does not say which route it is."""

    def matches(self, scope):
        del scope
        return Match.FULL, {}


def test_the_framework_says_by_which_route_a_request_is_answered(app: Application, caplog: pytest.LogCaptureFixture):
    """If it does not any more, the log says once what is lost, and the metrics count on."""
    assert tells_routes(next(route for route in app.api.routes if route.path == "/healthz/live"))
    assert [] == caplog.messages
    request_log._report_loss.cache_clear()
    silent = SilentRoute("/", lambda _: None)
    assert [False, False] == [tells_routes(silent) for _ in range(2)]
    (message,) = caplog.messages
    assert message.startswith("this version of FastAPI does not say by which route")
