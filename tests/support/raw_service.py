"""A service that a test scripts byte by byte, on a real socket: for what cannot be said in the terms of HTTP.

Each connection is handled by a function on a thread of its own. It may stop answering for as long as it likes: leaving
the ``with`` block ends all connections.
"""

import itertools
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import MappingProxyType, TracebackType
from typing import Self

import httpx2

from tests.support.fake_service import DEADLINE_S, FakeService

Handler = Callable[["RawConnection"], None]


class RawConnection:
    """The service's end of a connection.

    Attributes:
        native: its socket.
        request: the last one, as ``speak_http`` has read it; ``None`` before that.
        is_ended: set when the client has closed the connection, as far as the handler has read.
    """

    def __init__(self, native: socket.socket, stopping: threading.Event) -> None:
        self.native = native
        self.request: httpx2.Request | None = None
        self.is_ended = threading.Event()
        self._stopping = stopping

    def receive(self) -> bytes:
        """Read a request, with its body; return nothing when the client has closed the connection."""
        received = b""
        while not _is_complete(received):
            piece = self.native.recv(65536)
            if not piece:
                self.is_ended.set()
                return b""
            received += piece
        return received

    def send(self, *pieces: bytes) -> None:
        self.native.sendall(b"".join(pieces))

    def drip(self, pieces: Iterable[bytes], pause_s: float = 0.02) -> None:
        """Send pieces one by one, with a pause after each, until the client closes the connection."""
        for piece in pieces:
            self.native.sendall(piece)
            if self._stopping.wait(pause_s):
                return

    def hang(self) -> None:
        """Say nothing, until the client closes the connection."""
        while self.native.recv(65536):
            pass
        self.is_ended.set()


class RawService:
    """Accepts connections and hands each to a handler.

    Args:
        handle: what to do with a connection.
        tls: speaks TLS with this context; ``None`` for plain text.
        path: where in the file system to listen; ``None`` for a free port of this machine.

    Attributes:
        connections: those that were accepted so far.
        port: the port that it listens at.
        url: where the service is.
    """

    def __init__(self, handle: Handler, tls: ssl.SSLContext | None = None, path: str | None = None) -> None:
        self.connections: list[RawConnection] = []
        self._handle = handle
        self._tls = tls
        self._stopping = threading.Event()
        self._accepted = threading.Condition()
        if path is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(path)
            self._listener.listen()
        self.port: int = 0 if path is not None else self._listener.getsockname()[1]
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"
        self.threads = [threading.Thread(target=self._accept, name="raw-service", daemon=True)]

    def __enter__(self) -> Self:
        self.threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self.threads[0].join(DEADLINE_S)
        self._listener.close()
        for connection in self.connections:
            with suppress(OSError):
                socket.socket.shutdown(connection.native, socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(DEADLINE_S)

    def await_connections(self, number: int = 1) -> list[RawConnection]:
        """Wait until so many connections were accepted."""
        with self._accepted:
            assert self._accepted.wait_for(lambda: len(self.connections) >= number, DEADLINE_S)
        return self.connections

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                native, _ = self._listener.accept()
                connection = RawConnection(native, self._stopping)
                thread = threading.Thread(target=self._serve, args=(connection,), name="raw-service", daemon=True)
                self.threads.append(thread)
                with self._accepted:
                    self.connections.append(connection)
                    self._accepted.notify_all()
                thread.start()

    def _serve(self, connection: RawConnection) -> None:
        # Whatever the client does to the connection, or the end of the test, is no failure of the service.
        with suppress(OSError):
            if self._tls is not None:
                connection.native = self._tls.wrap_socket(connection.native, server_side=True)
            self._handle(connection)
        connection.is_ended.set()
        connection.native.close()


def answer_with(head: bytes = b"", body: bytes = b"", status: str = "200 OK") -> bytes:
    """Write an answer with a length.

    Args:
        head: further lines of headers, each with its end.
        body: the body as it goes over the network.
        status: status and reason.
    """
    length = b"" if b"content-length:" in head.lower() else b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/1.1 %s\r\n%s%s\r\n%s" % (status.encode(), head, length, body)


def always(answer: bytes) -> Handler:
    """Make a handler that answers each request of a connection the same."""

    def handle(connection: RawConnection) -> None:
        while connection.receive():
            connection.send(answer)

    return handle


def endless(head: bytes, pieces: Iterable[bytes], pause_s: float = 0.0) -> Handler:
    """Make a handler that answers with a body of chunks.

    Args:
        head: further lines of headers, each with its end.
        pieces: the chunks, of which an empty one is the last.
        pause_s: seconds to wait after each.
    """

    def handle(connection: RawConnection) -> None:
        connection.receive()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", head, b"\r\n")
        connection.drip((b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces), pause_s)

    return handle


def speak_http(service: FakeService, particular: Mapping[str, Handler] = MappingProxyType({})) -> Handler:
    """Make a handler that answers for a fake service.

    Args:
        service: decides on the answers.
        particular: handlers that take over in place of an answer, by ``METHOD path``; looked at anew for each request.
    """

    def handle(connection: RawConnection) -> None:
        while received := connection.receive():
            head, _, body = received.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            method, target, _ = first.split(" ")
            headers = [tuple(line.split(": ", 1)) for line in lines]
            request = httpx2.Request(method, "http://heksher.test" + target, headers=headers, content=body)
            connection.request = request
            take_over = particular.get(f"{method} {request.url.path}")
            if take_over is not None:
                take_over(connection)
                return
            response = service.handle(request)
            answer = b"".join(b"%s: %s\r\n" % pair for pair in response.headers.raw)
            connection.send(answer_with(answer, response.content, f"{response.status_code} {response.reason_phrase}"))

    return handle


@contextmanager
def unreachable_port() -> Iterator[int]:
    """Return a port of this machine at which connecting never ends, as behind a firewall that drops everything."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        # What fits into the queue of connections that nobody accepts; from then on, the system drops what comes.
        waiting = [socket.socket() for _ in range(4)]
        try:
            for connection in waiting:
                connection.setblocking(False)
                connection.connect_ex(address)
            yield address[1]
        finally:
            for connection in waiting:
                connection.close()


def forever(piece: bytes) -> Iterator[bytes]:
    return itertools.repeat(piece)


def _is_complete(request: bytes) -> bool:
    head, separator, body = request.partition(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return bool(separator) and len(body) >= int(lengths[0] if lengths else 0)
