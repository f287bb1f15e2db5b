"""How a request reaches an application, and how its answer reaches the wire."""

import asyncio
import logging
import re
import sys

import pytest

from tests.support.raw_client import connecting
from tests.support.serving import serving

LENGTH = [(b"content-length", b"5")]


def talk(app, request: bytes) -> bytes:
    """Return all that a server answers to a request, without the time."""
    with serving(app) as (url, _), connecting(url) as client:
        client.send(request)
        return re.sub(rb"date: [^\r]*\r\n", b"", client.read_to_end())


def make_app(*parts: bytes, status: int = 200, headers=(), reads: bool = True):
    """Make an application that answers with these parts, after it has read the request if that is said."""

    async def app(_scope, receive, send) -> None:
        while reads and (await receive()).get("more_body", False):
            pass
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        for number, part in enumerate(parts, 1):
            await send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})

    return app


def ask(method: str = "GET", version: str = "1.1", fields: str = "Connection: close\r\n", body: str = "") -> bytes:
    return f"{method} / HTTP/{version}\r\n{fields}\r\n{body}".encode()


@pytest.mark.parametrize(
    ("app", "request_", "expected"),
    [
        (make_app(b"hello", headers=LENGTH), ask(), b"content-length: 5\r\nconnection: close\r\n\r\nhello"),
        (make_app(b"hel", b"", b"lo", headers=LENGTH), ask(), b"content-length: 5\r\nconnection: close\r\n\r\nhello"),
        (
            make_app(b"hel", b"", b"lo"),
            ask(),
            b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        ),
        (make_app(b"hel", b"lo"), ask(version="1.0", fields=""), b"connection: close\r\n\r\nhello"),
        (make_app(b"hello", headers=LENGTH), ask("HEAD"), b"content-length: 5\r\nconnection: close\r\n\r\n"),
        (make_app(b"hello"), ask("HEAD"), b"connection: close\r\n\r\n"),
        (make_app(b"", headers=[(b"connection", b"close")]), ask("HEAD", fields=""), b"connection: close\r\n\r\n"),
    ],
)
def test_an_answer_says_where_it_ends(app, request_: bytes, expected: bytes):
    """By its length, in chunks, or with the connection; an answer to HEAD has no body."""
    assert b"HTTP/1.1 200 OK\r\n" + expected == talk(app, request_)


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_needs_no_length(status: int):
    """Nor does it say that it is chunked."""
    answer = talk(make_app(b"", status=status, headers=[(b"etag", b'"a"')]), ask())
    assert answer.endswith(b'etag: "a"\r\nconnection: close\r\n\r\n')


def test_a_client_that_waits_for_it_is_told_to_send_its_body():
    """Once, and as soon as the application wants it."""
    fields = "Connection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n"
    answer = talk(make_app(b"hello", headers=LENGTH), ask("POST", fields=fields, body="hello"))
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_a_client_is_not_told_to_send_what_nobody_reads():
    """The answer is all that it gets."""
    fields = "Connection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n"
    answer = talk(make_app(b"hello", headers=LENGTH, reads=False), ask("POST", fields=fields))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
@pytest.mark.parametrize("framing", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_a_connection_ends_whose_client_may_have_left_out_its_body(method: str, framing: str):
    """It is answered before it was told to send it; the answer says so."""
    app = make_app(b"hello", status=413, headers=LENGTH, reads=False)
    answer = talk(app, ask(method, fields=f"Expect: 100-continue\r\n{framing}\r\n"))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(b"\r\nconnection: close\r\n\r\nhello")


@pytest.mark.parametrize("fields", ["Content-Length: 5\r\n", "Expect: 100-continue\r\nContent-Length: 5\r\n"])
def test_a_connection_goes_on_whose_client_has_sent_its_body(fields: str):
    """Though nobody has read it."""
    app = make_app(b"hello", status=413, headers=LENGTH, reads=False)
    answer = talk(app, ask("POST", fields=fields, body="hello") + ask())
    assert [b"413", b"413"] == re.findall(rb"HTTP/1.1 (\d+)", answer)


def test_a_client_of_http_1_0_is_not_told_to_send_its_body():
    """It would take that for the answer."""
    fields = "Expect: 100-continue\r\nContent-Length: 5\r\n"
    answer = talk(make_app(b"hello", headers=LENGTH), ask("POST", "1.0", fields=fields, body="hello"))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


async def fail(_scope, _receive, _send) -> None:
    raise ZeroDivisionError


async def say_nothing(_scope, _receive, _send) -> None:
    """Return without an answer."""


@pytest.mark.parametrize(
    "app",
    [fail, say_nothing, make_app(b"", headers=[(b"x", b"a\r\nb: c")]), make_app(b"", headers=[(b"x", b"a\rb")])],
)
def test_an_application_that_does_not_answer_is_answered_for(app):
    """With a 500; what would be read as another header field is never sent."""
    answer = talk(app, ask(fields=""))
    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert answer.endswith(b"\r\n\r\nInternal Server Error")
    assert b"b: c" not in answer


@pytest.mark.parametrize(
    "app",
    [
        make_app(b"hel", headers=LENGTH),
        make_app(b"hello, you", headers=LENGTH),
        make_app(b"hello", b"you", headers=LENGTH),
    ],
)
def test_an_answer_of_another_length_than_it_says_ends_with_the_connection(app, caplog: pytest.LogCaptureFixture):
    """The client notices that by the length; no part of it is taken for the next answer."""
    answer = talk(app, ask(fields=""))
    assert len(answer.partition(b"\r\n\r\n")[2]) <= 5
    assert ["a request has failed"] == [record.message for record in caplog.records if record.levelno == logging.ERROR]


@pytest.mark.parametrize("kind", ["http.response.body", "http.response.trailers"])
def test_messages_in_another_order_are_errors(kind: str, caplog: pytest.LogCaptureFixture):
    """Of the application."""

    async def app(_scope, _receive, send) -> None:
        await send({"type": kind, "body": b""})

    assert talk(app, ask(fields="")).startswith(b"HTTP/1.1 500 ")
    assert f"{kind} is not the next part of an answer" in str(caplog.records[0].exc_info)


def test_two_tasks_of_an_application_may_wait_at_once():
    """As where one of them only waits for the client to go."""

    async def app(_scope, receive, send) -> None:
        watching = asyncio.create_task(receive())
        message = await receive()
        assert (b"hello", False) == (message["body"] or (await watching)["body"], message["more_body"])
        await make_app(b"hello", headers=LENGTH, reads=False)(_scope, receive, send)
        watching.cancel()

    fields = "Connection: close\r\nContent-Length: 5\r\n"
    assert talk(app, ask("POST", fields=fields, body="hello")).startswith(b"HTTP/1.1 200 OK")


def test_the_standard_librarys_loop_does_as_well(monkeypatch: pytest.MonkeyPatch):
    """Where there is no other one."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    answer = talk(make_app(b"x" * 3_000_000, b"y"), ask())
    assert 3_000_000 == answer.count(b"x")
