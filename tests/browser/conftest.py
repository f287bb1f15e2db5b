"""A real browser, and the pages that it visits.

``make test-browser`` finds one or installs it (``tools/browser.py``); a test without one fails.
"""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.browser.watched import WatchedService
from tests.browser.writes import fill

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# Names that are not the machine's own, and lead to it all the same.
REBOUND = "rebound.example"
FOREIGN = "foreign.example"


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """The browser, for which names of others lead to this machine, and nothing to the network."""
    program = os.environ.get("HEKSHER_TEST_BROWSER")
    assert program, "make test-browser runs these tests: it finds a browser"
    # These tests are collected also where it is not installed, by runs that choose others.
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - see above

    rules = f"MAP {REBOUND} 127.0.0.1, MAP {FOREIGN} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
    with sync_playwright() as playwright:
        options = ("--disable-background-networking", f"--host-resolver-rules={rules}")
        browser = playwright.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    """A new page of a new user."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def service() -> Iterator[WatchedService]:
    """A service that has something to change by each route."""
    with WatchedService() as service:
        fill(service)
        service.forget()
        yield service


class _Site(BaseHTTPRequestHandler):
    """Somebody else's site: an empty page, and a way on for each request that is sent to ``/to/...``."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200, "<!doctype html><title>a page</title><body>")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(307, "", self.path.partition("/to/")[2])

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, text: str, location: str | None = None) -> None:
        content = text.encode()
        self.send_response(status)
        if location is not None:
            self.send_header("Location", location)
            self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture(scope="session")
def site_port() -> Iterator[int]:
    """The port of somebody else's site on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()
