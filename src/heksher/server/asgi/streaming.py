"""The step that runs streams, after all later steps have returned, so that an open stream keeps none of them alive.

A route opens a stream by sending one special message, just as ASGI's ``http.response.pathsend`` sends a file. Any other
answer of such a route passes unchanged.
"""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heksher.revision_id import RevisionId
from heksher.server.asgi.gate import find_credential
from heksher.server.catalog.query import CatalogQuery
from heksher.server.queries.stream import ABORT_EXTENSION, Streams
from heksher.server.usage.client_fields import ClientFields
from heksher.wire import STREAM_PATH

_OPENED: Final = "heksher.response.stream"


class OpenedStream(NamedTuple):
    """A stream to open.

    Attributes:
        key: identifies its query.
        query: the query whose changes the stream reports.
        last_revision: the revision whose answer the client has; ``None`` if it has none.
        client: who the client says it is.
    """

    key: bytes
    query: CatalogQuery
    last_revision: RevisionId | None
    client: ClientFields


async def send_stream(send: Send, stream: OpenedStream) -> None:
    """Answer a request with a stream, which starts after the request has been recorded."""
    await send({"type": _OPENED, "status": 200, "stream": stream})


class Streaming:
    """Runs the streams that ``send_stream`` opens, once all later steps have returned.

    Args:
        app: the next step.
        streams: the streams of this process.
    """

    def __init__(self, app: ASGIApp, streams: Streams) -> None:
        self._app = app
        self._streams = streams

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["path"] == STREAM_PATH:
            return self._answer(scope, receive, send)
        return self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        # With the original scope, what later steps put into it would live as long as the stream.
        stream = await _ask(self._app, dict(scope), receive, send)
        if stream is not None:
            abort = _find_abort(scope)
            credential = find_credential(scope)
            serving = self._streams.serve(
                receive, send, stream.key, stream.query, stream.last_revision, abort, credential, stream.client
            )
            # The streams hold its query, or that of another stream in place of it.
            del stream
            await serving


async def _ask(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> OpenedStream | None:
    """Pass a request on; return the stream if the answer is one."""
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
