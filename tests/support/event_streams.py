"""The event streams of a fake service, on real sockets: what a client is told, and every way to break that."""

import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

import httpx2

from tests.support.fake_service import DEADLINE_S, FakeService
from tests.support.raw_service import Handler, RawConnection, RawService, speak_http

STREAM = "GET /api/v1/stream"
POST_STREAM = "POST /api/v1/stream"
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
)
HEARTBEAT = b":\n\n"


def chunk(content: bytes) -> bytes:
    """Write a part of a body without a length; an empty one is the last."""
    return b"%x\r\n%s\r\n" % (len(content), content)


class StreamingService:
    """Stands in front of a fake service, and tells of its changes.

    Args:
        service: what is asked; it announces streams, and tells its revision, from now on.
        particular: handlers that take over in place of an answer, by ``METHOD path``; looked at anew for each request.
        tls: speaks TLS with this context; ``None`` for plain text.

    Attributes:
        particular: as above.
        url: where it is, once the ``with`` block has begun.
        asked: the requests for streams that were opened so far.
    """

    def __init__(
        self,
        service: FakeService,
        particular: Mapping[str, Handler] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        service.capabilities = ["post-query", "aliases", "stream"]
        service.revision = 1
        self._service = service
        self.particular = {STREAM: self.open, POST_STREAM: self.open, **(particular or {})}
        self.asked: list[httpx2.Request] = []
        self._changed = threading.Condition()
        self._open: list[RawConnection] = []
        self._raw = RawService(speak_http(service, self.particular), tls)
        self.url = self._raw.url

    def __enter__(self) -> Self:
        self._raw.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._raw.__exit__(kind, error, traceback)

    def open(self, connection: RawConnection) -> None:
        """Open a stream, and keep it open until the client closes it."""
        assert connection.request is not None
        with self._changed:
            # Before the client can notice anything: a test may tell of a change as soon as it does.
            self.asked.append(connection.request)
            self._open.append(connection)
            self._changed.notify_all()
            connection.send(HEAD, chunk(HEARTBEAT))
            if connection.request.headers.get("Last-Event-ID") != self._service.revision_id:
                connection.send(chunk(self._write_change()))
        connection.hang()

    def await_streams(self, number: int = 1) -> list[httpx2.Request]:
        """Wait until so many streams were opened, and return what was asked for them."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.asked) >= number, DEADLINE_S), (
                f"{len(self.asked)} streams were opened, not {number}"
            )
        return self.asked

    def count_open(self) -> int:
        """Return how many streams are open."""
        return sum(not connection.is_ended.is_set() for connection in self._open)

    def tell(self) -> None:
        """Tell of the newest change."""
        self.send(self._write_change())

    def send(self, content: bytes) -> None:
        """Send something on every stream."""
        with self._changed:
            for connection in self._open:
                with suppress(OSError):
                    connection.send(chunk(content))

    def end(self, retry_ms: int | None = None) -> None:
        """End all streams; with a time to come back, as a service does that is stopped."""
        if retry_ms is not None:
            self.send(b"event: end\nretry: %d\ndata: {}\n\n" % retry_ms)
        self.send(b"")

    def _write_change(self) -> bytes:
        told = self._service.revision_id.encode()
        return b'event: change\nid: %b\ndata: {"revision":%d}\n\n' % (told, self._service.revision)
