"""Connections that the application can cut off."""

import socket
from contextlib import suppress
from urllib.parse import urlsplit

from heksher.server.protocol import ABORT_EXTENSION
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
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert 0 < count_bytes(connection) < SIZE


def count_bytes(connection: socket.socket) -> int:
    """Read to the end of a connection, which may be a reset."""
    size = 0
    with suppress(ConnectionResetError):
        while part := connection.recv(1 << 16):
            size += len(part)
    return size
