"""The step that holds streams: after everything else has answered, so that an open stream keeps nothing of that alive.

A route answers that a stream is to be opened with one message, as it would answer that a file is to be sent with ASGI's
``http.response.pathsend``. Any other answer of such a route passes as it is.
"""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heksher.server.catalog.query import CatalogQuery
from heksher.server.queries.stream import ABORT_EXTENSION, Streams
from heksher.wire import STREAM_PATH

_OPENED: Final = "heksher.response.stream"


class OpenedStream(NamedTuple):
    """A stream that is to be opened.

    Attributes:
        key: what its query is known by.
        query: whose answer the stream is about.
        last_revision: the one that the client knows the answer of; ``None`` if it knows none.
    """

    key: bytes
    query: CatalogQuery
    last_revision: int | None


async def send_stream(send: Send, stream: OpenedStream) -> None:
    """Answer a request with a stream, which begins when the request has been recorded."""
    await send({"type": _OPENED, "status": 200, "stream": stream})


class Streaming:
    """Opens the streams that ``send_stream`` is called for, once everything behind this step has answered.

    Args:
        app: what answers.
        streams: those of this process.
    """

    def __init__(self, app: ASGIApp, streams: Streams) -> None:
        self._app = app
        self._streams = streams

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["path"] == STREAM_PATH:
            return self._answer(scope, receive, send)
        return self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        # What the others put into the scope would live as long as the stream does.
        stream = await _ask(self._app, dict(scope), receive, send)
        if stream is not None:
            abort = _find_abort(scope)
            await self._streams.serve(receive, send, stream.key, stream.query, stream.last_revision, abort)


async def _ask(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> OpenedStream | None:
    """Have a request answered; return the stream if that is the answer."""
    opened: OpenedStream | None = None

    async def send_answer(message: Message) -> None:
        nonlocal opened
        if message["type"] == _OPENED:
            opened = message["stream"]
        else:
            await send(message)

    await app(scope, receive, send_answer)
    return opened


def _find_abort(scope: Scope) -> Callable[[], object] | None:
    abort: Callable[[], object] | None = scope.get("extensions", {}).get(ABORT_EXTENSION)
    return abort
