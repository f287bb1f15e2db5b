"""What web pages can do to a service, in a real browser: every route that writes, in every way that a page has."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heksher.server.app import Application
from heksher.server.asgi.access import read_access
from heksher.server.config import Config
from heksher.server.storage.memory import MemoryStorage
from tests.browser.conftest import FOREIGN, REBOUND
from tests.browser.watched import WatchedService
from tests.browser.writes import APPROVING_ROUTE, GUARDED_PATHS, SENDING_ROUTE, WRITES

if TYPE_CHECKING:
    from playwright.sync_api import Page

ATTEMPTS = Path(__file__).with_name("attempts.js").read_text(encoding="utf-8")
# A request that the browser sends without asking the service first, from a page of any origin.
SIMPLE_WAYS = {"no-cors", "hidden", "keepalive", "credentials", "cors", "xhr", "beacon", "form"}
ASKED_FIRST = {"cors json", "xhr json", "beacon json"}
OPEN_BOTH = """async url => {
  const frame = document.createElement("iframe");
  const loaded = new Promise(done => { frame.onload = done; });
  frame.src = url;
  document.body.append(frame);
  await loaded;
  window.framed = frame.contentWindow;
  window.opened = window.open(url);
}"""
REACH = "name => { try { return Boolean(window[name].document); } catch { return false; } }"
FETCH = """async ([url, options]) => {
  const answer = await fetch(url, options);
  return [answer.status, await answer.text()];
}"""


def attempt_all(page: "Page", url: str) -> list[tuple[str, str]]:
    """Have a page send everything to a service; return the way of each attempt, and its method."""
    requests = [{"method": write.method, "path": write.path, "body": write.body} for write in WRITES]
    return [tuple(attempt) for attempt in page.evaluate(ATTEMPTS, {"service": url, "requests": requests})]


def list_unstoppable(attempts: list[tuple[str, str]]) -> set[int]:
    """Return the numbers of the attempts that reach the service whatever it answers."""
    return {
        number
        for number, (way, method) in enumerate(attempts, 1)
        if method == "POST" and way.partition(" ")[0] in SIMPLE_WAYS and way not in ASKED_FIRST
    }


def test_each_route_that_writes_is_tried():
    """And no other one."""
    routes = Application(Config("unused"), MemoryStorage()).api.routes
    writing = {
        (method, route.path)
        for route in routes
        for method in route.methods - {"GET", "HEAD"}
        # Where people sign in and out, nothing is stored for who does not: see test_sign_in.
        if (access := read_access(route)).is_write and access.role is not None
        if not route.path.startswith(GUARDED_PATHS) and route.path not in {SENDING_ROUTE, APPROVING_ROUTE}
    }
    assert writing == {(write.method, write.route) for write in WRITES}


def test_the_requests_are_such_that_store_something(page: "Page", service: WatchedService):
    """The service's own documentation page sends them, one after the other, and each one changes something."""
    page.goto(f"{service.url}/docs")
    for count, write in enumerate(WRITES, 1):
        headers = {"Content-Type": "application/json"}
        body = {} if write.body is None else {"body": json.dumps(write.body)}
        status, text = page.evaluate(FETCH, [write.path, {"method": write.method, "headers": headers, **body}])
        assert (2, count) == (status // 100, service.count_stored()), (write, text)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", FOREIGN])
def test_a_page_of_another_origin_stores_nothing(page: "Page", service: WatchedService, site_port: int, host: str):
    """Neither one of another port of the same host, nor one of the same machine by another name, nor any other."""
    page.goto(f"http://{host}:{site_port}/")
    unstoppable = list_unstoppable(attempt_all(page, service.url))
    assert 0 == service.count_stored_after(unstoppable)
    assert len(unstoppable) > 500


def test_a_page_that_is_sent_on_stores_nothing(page: "Page", service: WatchedService, site_port: int):
    """Its own site answers where to send the request again, with its method and its body."""
    page.goto(f"http://{FOREIGN}:{site_port}/")
    unstoppable = list_unstoppable(attempt_all(page, f"http://{FOREIGN}:{site_port}/to/{service.url}"))
    assert 0 == service.count_stored_after(unstoppable)
    assert len(unstoppable) > 500


def test_the_documentation_of_another_service_stores_nothing(page: "Page", service: WatchedService):
    """Its own policy keeps it from calling others; what it is let send is refused."""
    with WatchedService() as other:
        page.goto(f"{other.url}/docs")
        attempt_all(page, service.url)
    assert 0 == service.count_stored_after(set())


def test_a_page_that_opens_the_documentation_cannot_drive_it(page: "Page", service: WatchedService, site_port: int):
    """It is not shown in a frame of another page, and a window of it is out of reach."""
    page.goto(f"http://{FOREIGN}:{site_port}/")
    with page.expect_popup() as popup:
        page.evaluate(OPEN_BOTH, f"{service.url}/docs")
    popup.value.locator(".opblock").first.wait_for()
    framed = page.frames[-1]
    assert [False, False] == [page.evaluate(REACH, name) for name in ("framed", "opened")]
    assert "" == framed.evaluate("document.title")
    assert 0 == service.count_stored()


def test_a_page_of_a_rebound_name_reads_and_stores_nothing(page: "Page", service: WatchedService):
    """For the browser it is of the service's origin; what tells is the name that it was called by."""
    port = service.url.rpartition(":")[2]
    answer = page.goto(f"http://{REBOUND}:{port}/docs")
    assert 421 == answer.status
    for path in ("/api/v1/query", "/api/v1/settings", "/api/v1/rules/1", "/openapi.json", "/metrics"):
        status, text = page.evaluate(FETCH, [path, {}])
        assert (421, False) == (status, "ruled" in text or "heksher_" in text)
    unstoppable = list_unstoppable(attempt_all(page, f"http://{REBOUND}:{port}"))
    assert 0 == service.count_stored_after(unstoppable)


def test_the_documentation_tries_requests(page: "Page", service: WatchedService):
    """Whoever reads it in a browser can add a context feature there."""
    page.goto(f"{service.url}/docs")
    operation = page.locator(".opblock-post", has_text="Add a context feature")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.locator("textarea").fill('{"context_feature": "tried"}')
    operation.get_by_role("button", name="Execute").click()
    operation.locator(".live-responses-table .response-col_status", has_text="204").wait_for()
    assert 1 == service.count_stored()
