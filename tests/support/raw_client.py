"""A client that speaks to a server byte by byte: for what no HTTP library would send, and what comes back for it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from tests.support.processes import DEADLINE_S


class RawClient:
    """One connection to a server.

    Args:
        native: its socket.
    """

    def __init__(self, native: socket.socket) -> None:
        self.native = native

    def send(self, *pieces: bytes) -> None:
        self.native.sendall(b"".join(pieces))

    def flood(self, piece: bytes, times: int) -> int:
        """Send a piece again and again, until the server does not take it; return how many bytes it has taken."""
        taken = 0
        with suppress(OSError):
            for _ in range(times):
                self.native.sendall(piece)
                taken += len(piece)
        return taken

    def read_to_end(self) -> bytes:
        """Read until the server closes the connection, which may be a reset."""
        received = b""
        with suppress(ConnectionResetError):
            while part := self.native.recv(1 << 16):
                received += part
        return received

    def read_answers(self, number: int, end: bytes) -> bytes:
        """Read until so many answers have come, each with this text at its end."""
        received = b""
        while received.count(end) < number and (part := self.native.recv(1 << 16)):
            received += part
        return received


@contextmanager
def connecting(url: str, timeout_s: float = DEADLINE_S, *, buffer_bytes: int | None = None) -> Iterator[RawClient]:
    """Connect to the server of a URL; the connection is closed at the end of the block.

    Args:
        url: where the server is.
        timeout_s: how long it is waited for.
        buffer_bytes: what this side's system takes of an answer that is not read; ``None`` for what it usually takes.
    """
    address = urlsplit(url)
    with socket.socket(socket.AF_INET6 if ":" in address.hostname else socket.AF_INET) as native:
        native.settimeout(timeout_s)
        if buffer_bytes is not None:
            native.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        native.connect((address.hostname, address.port))
        yield RawClient(native)
