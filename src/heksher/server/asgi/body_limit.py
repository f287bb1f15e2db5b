"""The step that limits the size of request bodies."""

from collections.abc import Awaitable, Iterable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heksher.server.asgi.unreadable_body import UnreadableBodyError

_MAX_LENGTH_DIGITS: Final = 20


class BodyTooLargeError(UnreadableBodyError):
    """A body is larger than the limit."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(413, f"the body is larger than {max_bytes} bytes, which is the most that this service reads")


class BodyLimit:
    """Makes ``receive`` raise ``BodyTooLargeError``, on every call, once a body is or announces that it is too large.

    Args:
        app: the next step.
        max_bytes: the largest body that is read.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        receive = _CountedBody(receive, self._max_bytes, _read_declared_size(scope["headers"])).receive
        return self._app(scope, receive, send)


class _CountedBody:
    """Receives a body up to a limit.

    Args:
        receive: the ASGI callable of the connection.
        max_bytes: the largest body that is read.
        declared_bytes: the size of the body according to the request's header.
    """

    __slots__ = ("_is_complete", "_is_too_large", "_max_bytes", "_receive", "_size_bytes")

    def __init__(self, receive: Receive, max_bytes: int, declared_bytes: int) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._is_too_large = declared_bytes > max_bytes
        self._is_complete = False

    def receive(self) -> Awaitable[Message]:
        # After its body, a request whose answer is a stream can wait here for a long time.
        return self._receive() if self._is_complete else self._receive_body()

    async def _receive_body(self) -> Message:
        if not self._is_too_large:
            message = await self._receive()
            self._size_bytes += len(message.get("body", b""))
            if self._size_bytes <= self._max_bytes:
                self._is_complete = not message.get("more_body", False)
                return message
            self._is_too_large = True
        raise BodyTooLargeError(self._max_bytes)


def _read_declared_size(headers: Iterable[tuple[bytes, bytes]]) -> int:
    for name, value in headers:
        if name == b"content-length":
            # The server has checked that it is a number, but not its length, and int() reads 4,300 digits at most. What
            # is shorter than it says is counted as it comes.
            return int(value[:_MAX_LENGTH_DIGITS])
    return 0
