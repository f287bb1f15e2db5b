"""What stands in front of the framework: plain ASGI, for what must be fast or stay open.

* A query whose answer is in memory is answered here. All others are passed on, and are in memory afterwards.
* Streams: the framework answers the query that a stream is about, which checks the request; then the stream is opened.
* Everything is measured, and each request that the framework gets has an id for the log.
"""

import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heksher.server import logs
from heksher.server.api.query_service import QueryService, Reply, make_key
from heksher.server.api.responses import JSONAnswer
from heksher.server.api.stream import ABORT_EXTENSION, Streams
from heksher.server.catalog.answer import HeaderField
from heksher.server.metrics import Metrics
from heksher.wire import QUERY_PATH, STREAM_PATH, parse_revision

_QUERY_METHODS: Final = frozenset({"GET", "POST"})
# What requests that no route takes are counted as.
_UNMATCHED: Final = "unmatched"
_LAST_EVENT_ID: Final = b"last-event-id"
_REQUEST_ID: Final = b"x-request-id"
# What a stream's client says of an answer that it has is not about the query behind the stream.
_ANSWER_HEADERS: Final = frozenset({b"if-none-match", b"accept-encoding", _LAST_EVENT_ID})
_ENDING: Final = "the service is about to end; come back in a moment"


class FastPath:
    """The service as an ASGI application.

    Args:
        api: the framework's application, for everything else.
        desk: answers queries.
        streams: those of this process.
        metrics: are told of each request.
        is_logging: whether each request is logged.
    """

    def __init__(
        self, api: FastAPI, query_service: QueryService, streams: Streams, metrics: Metrics, *, is_logging: bool
    ) -> None:
        self.api = api
        self.streams = streams
        self._app: ASGIApp = api
        self._query_service = query_service
        self._metrics = metrics
        self._is_logging = is_logging

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = time.perf_counter()
        path = scope["path"]
        if path == QUERY_PATH and scope["method"] in _QUERY_METHODS:
            body = None
            if scope["method"] == "POST":
                body, receive = await self._read_body(receive)
            reply = self._query_service.find_reply(
                make_key(scope, body), self._query_service.read_preferences(scope["headers"])
            )
            if reply is not None:
                await _send_reply(send, reply)
                self._note(scope, QUERY_PATH, reply.status, started_s, len(reply.body))
                return
        elif path == STREAM_PATH:
            await self._open_stream(scope, receive, send, started_s)
            return
        await self._pass_on(scope, receive, send, started_s)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, started_s: float) -> None:
        """Have the framework answer."""
        with _identify(scope) as header:
            watch = _Watch(send, header)
            try:
                await self._app(scope, receive, watch.send)
            finally:
                route = getattr(scope.get("route"), "path", _UNMATCHED)
                self._note(scope, route, watch.status, started_s, watch.size_bytes)

    async def _open_stream(self, scope: Scope, receive: Receive, send: Send, started_s: float) -> None:
        if self.streams.is_ending:
            refusal = JSONAnswer({"detail": _ENDING}, 503, {"Retry-After": "1"})
            await refusal(scope, receive, send)
            self._note(scope, STREAM_PATH, 503, started_s, len(refusal.body))
            return
        body = None
        if scope["method"] == "POST":
            body, receive = await self._read_body(receive)
        asked = _ask_query(scope)
        with _identify(scope) as header:
            watch = _Watch(send, header, is_holding=True)
            await self._app(asked, receive, watch.send)
        query = asked.get("heksher.query")
        if query is None or watch.status != 200:  # noqa: PLR2004 - HTTP's own
            await watch.release()
            self._note(scope, STREAM_PATH, watch.status, started_s, watch.size_bytes)
            return
        self._note(scope, STREAM_PATH, watch.status, started_s, 0)
        abort = scope.get("extensions", {}).get(ABORT_EXTENSION)
        key = make_key(scope, body)
        await self.streams.serve(receive, send, key, query, _read_last_event_id(scope["headers"]), abort)

    async def _read_body(self, receive: Receive) -> tuple[bytes, Receive]:
        """Read a body; return it, and what receives the same once more.

        One that is too long is read up to there only, and is refused by whoever reads it next.
        """
        max_bytes: int = self.api.state.config.max_body_bytes
        messages: list[Message] = []
        chunks: list[bytes] = []
        size_bytes = 0
        while size_bytes <= max_bytes:
            message = await receive()
            messages.append(message)
            chunks.append(message.get("body", b""))
            size_bytes += len(chunks[-1])
            if not message.get("more_body", False):
                break
        messages.reverse()

        async def receive_again() -> Message:
            return messages.pop() if messages else await receive()

        return b"".join(chunks), receive_again

    def _note(self, scope: Scope, route: str, status: int, started_s: float, size_bytes: int) -> None:
        seconds = time.perf_counter() - started_s
        self._metrics.observe_request(route, status, seconds)
        if self._is_logging:
            client = scope.get("client")
            address = None if client is None else client[0]
            logs.log_request(scope["method"], scope["path"], status, seconds, size_bytes, address)


class _Watch:
    """Passes on what is sent, and notes what that was; or holds it back.

    Args:
        send: of the connection.
        header: to be added to the answer's.
        is_holding: whether nothing is passed on before ``release``.

    Attributes:
        status: of the answer; 500 before it begins, as what is not answered has failed.
        size_bytes: of its body.
    """

    def __init__(self, send: Send, header: HeaderField, *, is_holding: bool = False) -> None:
        self._send = send
        self._header = header
        self._held: list[Message] | None = [] if is_holding else None
        self.status = 500
        self.size_bytes = 0

    async def send(self, message: Message) -> None:
        """Take what is to be sent."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), self._header]
        else:
            self.size_bytes += len(message.get("body", b""))
        if self._held is None:
            await self._send(message)
        else:
            self._held.append(message)

    async def release(self) -> None:
        """Pass on what was held back."""
        held, self._held = self._held or [], None
        for message in held:
            await self._send(message)


async def _send_reply(send: Send, reply: Reply) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": reply.body})


@contextmanager
def _identify(scope: Scope) -> Iterator[HeaderField]:
    """Return what is logged meanwhile the id of a request; yield the header that tells the client."""
    request_id = logs.read_request_id(scope["headers"])
    token = logs.request_id.set(request_id)
    try:
        yield _REQUEST_ID, request_id.encode()
    finally:
        logs.request_id.reset(token)


def _ask_query(scope: Scope) -> MutableMapping[str, Any]:
    """Make the request for the query that a stream is about."""
    headers = [field for field in scope["headers"] if field[0] not in _ANSWER_HEADERS]
    return {**scope, "path": QUERY_PATH, "raw_path": QUERY_PATH.encode(), "headers": headers}


def _read_last_event_id(headers: list[HeaderField]) -> int | None:
    ids = [value for name, value in headers if name == _LAST_EVENT_ID]
    return parse_revision(ids[-1]) if ids else None
