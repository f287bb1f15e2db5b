"""What is performed, answered and logged of requests that come at once, when one of them is not what it should be."""

import asyncio
import logging
import re
import threading
from collections.abc import Iterator

import pytest

from heksher.server import logs
from heksher.server.app import Application
from heksher.server.config import Config
from heksher.server.http.http_limits import HttpLimits
from tests.support.catalogs import open_fragile
from tests.support.processes import DEADLINE_S
from tests.support.raw_client import RawClient, connecting
from tests.support.serving import serving
from tests.support.waiting import wait_until

UPGRADE = b"Upgrade: x\r\nConnection: upgrade\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
DELETE = b"DELETE /d HTTP/1.1\r\n" + CHUNKED
GET = b"GET /g HTTP/1.1\r\n\r\n"
GARBAGE = b"\x00bad\r\n\r\n"
SMUGGLED = b"DELETE /smuggled HTTP/1.1\r\nHost:localhost\r\nX:\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n"
QUERY = b"GET /api/v1/query HTTP/1.1\r\nHost: localhost\r\n"


class Doer:
    """Answers each request without reading its body, and notes it."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    async def __call__(self, scope, _receive, send) -> None:
        self.done.append(f"{scope['method']} {scope['path']}")
        await asyncio.to_thread(self.may_go_on.wait, DEADLINE_S)
        await send(
            {"type": "http.response.start", "status": 204 if scope["method"] == "DELETE" else 200, "headers": []}
        )
        await send({"type": "http.response.body", "body": b""})


def list_statuses(received: bytes) -> list[bytes]:
    return re.findall(rb"HTTP/1.1 (\d+)", received)


@pytest.fixture
def doer() -> Doer:
    return Doer()


@pytest.fixture
def client(doer: Doer) -> Iterator[RawClient]:
    with serving(doer) as (url, _), connecting(url) as client:
        yield client


@pytest.mark.parametrize(
    "requests",
    [
        [
            b"POST /0 HTTP/1.1\r\n" + CHUNKED + b"0\r\n\r\n",
            b"PUT /1 HTTP/1.1\r\n" + UPGRADE + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
            b"GET /2 HTTP/1.1\r\n" + UPGRADE + b"\r\n",
        ],
        [
            b"POST /0 HTTP/1.1\r\n" + CHUNKED + b"0\r\n\r\n",
            b"PUT /1 HTTP/1.1\r\n" + UPGRADE + CHUNKED + b"1\r\na\r\n0\r\n\r\n",
            b"PUT /2 HTTP/1.1\r\n" + UPGRADE + CHUNKED + b"1\r\na\r\n0\r\n\r\n",
            b"GET /3 HTTP/1.1\r\n\r\n",
        ],
        [
            b"POST /0 HTTP/1.1\r\n" + CHUNKED + b"0\r\n\r\n",
            b"CONNECT /1 HTTP/1.1\r\nContent-Length: 1\r\n\r\na",
            b"CONNECT /2 HTTP/1.1\r\nContent-Length: 1\r\n\r\na",
            b"GET /3 HTTP/1.1\r\n\r\n",
        ],
        [b"POST /0 HTTP/1.1\r\n" + CHUNKED + b"0\r\nConnection: close\r\n\r\n", b"GET /1 HTTP/1.1\r\n\r\n"],
    ],
)
def test_requests_that_come_at_once_are_those_that_were_sent(doer: Doer, client: RawClient, requests: list[bytes]):
    """Bodies beside a wish for another protocol are no requests, and each request has one answer."""
    client.send(*requests, LAST)
    assert [b"200"] * (len(requests) + 1) == list_statuses(client.read_to_end())
    assert [*(f"/{number}" for number in range(len(requests))), "/last"] == [text.split()[1] for text in doer.done]


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (DELETE + b"0\r\n\r\n" + GARBAGE, [b"204", b"400"]),
        (DELETE + b"0\r\n\r\n" + GET + GARBAGE, [b"204", b"200", b"400"]),
        (DELETE + b"1\r\na\r\n0\r\nT: v\r\n\r\n" + DELETE + b"0\r\n\r\n" + GARBAGE, [b"204", b"204", b"400"]),
        (b"DELETE /d HTTP/1.1\r\nContent-Length: 1\r\n\r\na" + GARBAGE, [b"204", b"400"]),
        (DELETE + b"0\r\n\r\nGET / HTTP/1.1\r\n" + b"a:\r\n" * 201 + b"\r\n", [b"204", b"431"]),
    ],
)
def test_what_is_complete_is_answered_before_what_is_malformed(client: RawClient, sent: bytes, statuses: list[bytes]):
    """With its own answer, for it was performed."""
    client.send(sent)
    assert statuses == list_statuses(client.read_to_end())


@pytest.mark.parametrize("body", [b"g\r\n", b"1\r\nab\r\n0\r\n\r\n", b"1\r\na\r\n-1\r\n", b"0\r\n\x00: a\r\n\r\n"])
def test_a_request_with_a_malformed_body_is_not_performed(doer: Doer, client: RawClient, body: bytes):
    """Though its application would not read that."""
    client.send(GET + DELETE + body)
    assert [b"200", b"400"] == list_statuses(client.read_to_end())
    assert ["GET /g"] == doer.done


def test_what_is_performed_before_its_body_turns_out_to_be_malformed_is_answered_so(doer: Doer, client: RawClient):
    """With the application's own answer; then the connection is closed."""
    doer.may_go_on.clear()
    client.send(DELETE)
    assert wait_until(lambda: doer.done)
    client.send(b"g\r\n" + GET)
    threading.Event().wait(0.05)
    doer.may_go_on.set()
    received = client.read_to_end()
    assert [b"204"] == list_statuses(received)
    assert b"connection: close" in received
    assert ["DELETE /d"] == doer.done


@pytest.mark.parametrize("times", [{"body_s": 0.05}, {"body_s": 3600}])
def test_an_application_that_asks_late_for_a_body_that_never_comes_is_told(times: dict[str, float]):
    """And its client then, with what is wrong; what the application answers then is dropped."""
    may_ask = threading.Event()
    has_begun = threading.Event()
    told: list[str] = []

    async def ask_late(_scope, receive, send) -> None:
        has_begun.set()
        await asyncio.to_thread(may_ask.wait, DEADLINE_S)
        told.extend([(await receive())["type"], (await receive())["type"]])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with serving(ask_late, limits=HttpLimits(**times)) as (url, _), connecting(url) as client:
        client.send(b"DELETE / HTTP/1.1\r\nExpect: 100-continue\r\n" + CHUNKED)
        assert has_begun.wait(DEADLINE_S)
        if times["body_s"] > 1:
            client.send(b"g\r\n")
        threading.Event().wait(0.2)
        may_ask.set()
        assert [b"400" if times["body_s"] > 1 else b"408"] == list_statuses(client.read_to_end())
    assert ["http.disconnect"] * 2 == told


def test_an_application_that_has_begun_to_answer_is_told_as_well():
    """It would wait for ever else."""
    may_ask = threading.Event()
    has_begun = threading.Event()

    async def ask_last(_scope, receive, send) -> None:
        has_begun.set()
        await asyncio.to_thread(may_ask.wait, DEADLINE_S)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"15")]})
        await send({"type": "http.response.body", "body": (await receive())["type"].encode()})

    with serving(ask_last) as (url, _), connecting(url) as client:
        client.send(DELETE)
        assert has_begun.wait(DEADLINE_S)
        client.send(b"g\r\n")
        threading.Event().wait(0.05)
        may_ask.set()
        assert client.read_to_end().endswith(b"http.disconnect")


def test_many_fields_after_an_answer_that_was_given_in_an_exception_handler():
    """They are too many there as well."""

    async def answer_in_handler(_scope, _receive, send) -> None:
        try:
            raise LookupError
        except LookupError:
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    with serving(answer_in_handler) as (url, _), connecting(url) as client:
        client.send(GET, b"GET / HTTP/1.1\r\n" + b"a:\r\n" * 201 + b"\r\n")
        assert [b"404", b"431"] == list_statuses(client.read_to_end())


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[list[tuple[str, str | None]]]:
    """What is logged of each request, and with which id."""
    caplog.set_level(logging.INFO, "heksher.access")
    noted: list[tuple[str, str | None]] = []

    def note(record: logging.LogRecord) -> bool:
        noted.append((record.getMessage().partition(",")[0], logs.request_id.get()))
        return True

    logger = logging.getLogger("heksher.access")
    logger.addFilter(note)
    yield noted
    logger.removeFilter(note)


@pytest.mark.parametrize("path", [b"query", b"rules/1", b"settings/a"])
def test_each_request_is_logged_in_its_turn_and_with_its_own_id(lines: list[tuple[str, str | None]], path: bytes):
    """What is refused is not one that the service knows, so it has none."""
    app = Application(Config("unused", has_access_log=True), open_fragile())
    head = b"GET /api/v1/%b HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: " % path
    with serving(app.front, recorder=app.recorder) as (url, _), connecting(url) as client:
        client.send(head + b"a\r\n\r\n", QUERY + b"\r\n", head + b"b\r\n\r\n", GARBAGE)
        answers = list_statuses(client.read_to_end())
    assert [status.decode() for status in answers] == [line.rsplit(" ", 1)[1] for line, _ in lines]
    assert ("- - 400", None) == lines[-1]
    assert all(name != "a" for _, name in lines[1:])


def test_the_context_of_a_request_ends_with_it():
    """The next one on its connection begins without, also where the first has had reading stopped and begun anew."""
    seen: list[str | None] = []

    async def note(scope, receive, send) -> None:
        seen.append(logs.request_id.get())
        logs.request_id.set(scope["path"])
        while (await receive()).get("more_body", False):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with serving(note) as (url, _), connecting(url) as client:
        for _ in range(2):
            client.send(b"PUT /p HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n", b"a" * 1_000_000, GET)
            client.read_answers(2, b"0\r\n\r\n")
        client.send(LAST)
        client.read_to_end()
    assert [None] * 5 == seen
