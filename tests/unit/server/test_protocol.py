"""Connections that the application can cut off."""

import logging
import socket
import sys
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from heksher.server import protocol
from heksher.server.queries.stream import ABORT_EXTENSION
from tests.support.processes import DEADLINE_S
from tests.support.serving import serving

# More than the buffers of both sides take.
SIZE = 50_000_000


async def send_and_abort(scope, receive, send) -> None:
    """An application that says much, and then cuts off the connection without waiting for its client."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * SIZE, "more_body": True})
    scope["extensions"][ABORT_EXTENSION]()


def test_a_connection_can_be_cut_off_whose_client_does_not_read():
    """What waits to be sent is dropped: the client sees the end before it has everything."""
    with serving(send_and_abort) as (url, _):
        address = urlsplit(url)
        with socket.create_connection((address.hostname, address.port), timeout=DEADLINE_S) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert 0 < count_bytes(connection) < SIZE


def count_bytes(connection: socket.socket) -> int:
    """Read to the end of a connection, which may be a reset."""
    size = 0
    with suppress(ConnectionResetError):
        while part := connection.recv(1 << 16):
            size += len(part)
    return size


@pytest.fixture
def forget_checks():
    """Have the checks of the server's private parts done anew, now and after the test."""
    for check in (protocol.find_protocol, protocol._report_loss):
        check.cache_clear()
    yield
    for check in (protocol.find_protocol, protocol._report_loss):
        check.cache_clear()


@pytest.mark.usefixtures("forget_checks")
@pytest.mark.parametrize("hidden", ["module", "on_message_begin"])
def test_without_the_servers_class_its_own_is_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, hidden: str
):
    """Whatever of it is missing; the log says once what is lost."""
    if hidden == "module":
        monkeypatch.setitem(sys.modules, "uvicorn.protocols.http.httptools_impl", None)
    else:
        monkeypatch.delattr(HttpToolsProtocol, hidden)
    with caplog.at_level(logging.WARNING):
        assert ["auto", "auto"] == [protocol.find_protocol() for _ in range(2)]
    assert 1 == len([text for text in caplog.messages if "does not let the service cut off a connection" in text])


@pytest.mark.usefixtures("forget_checks")
@pytest.mark.parametrize("scope", [{}, {"scope": None}])
def test_without_the_scope_of_a_request_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, scope: dict
):
    """Once, and the request goes on."""
    monkeypatch.setattr(HttpToolsProtocol, "on_message_begin", lambda _: None)
    connection = object.__new__(protocol.find_protocol())
    vars(connection).update(scope, _extensions={})
    with caplog.at_level(logging.WARNING):
        connection.on_message_begin()
        connection.on_message_begin()
    assert 1 == len([text for text in caplog.messages if "does not let the service cut off a connection" in text])
