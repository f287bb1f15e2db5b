"""The step that answers queries from memory: without the framework, a thread or the database (known fault 42)."""

import time
from collections.abc import Awaitable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heksher.server.asgi.header_fields import get_fields
from heksher.server.asgi.recorder import Recorder, note_start
from heksher.server.asgi.unreadable_body import UnreadableBodyError
from heksher.server.queries.query_service import AskedQuery, QueryService, Reply, make_key
from heksher.wire import QUERY_PATH

_KEY: Final = "heksher.asked_query"


class FastPath:
    """Answers queries whose answers are in memory. Passes other queries on; their answers are in memory afterwards.

    What it finds out about a query is passed on with it: see ``get_asked_query``.

    Args:
        app: the next step, which answers everything else.
        query_service: has the answers.
        recorder: records the answers sent from here.
    """

    def __init__(self, app: ASGIApp, query_service: QueryService, recorder: Recorder) -> None:
        self._app = app
        self._query_service = query_service
        self._recorder = recorder

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["path"] == QUERY_PATH:
            started_s = time.perf_counter()
            if scope["method"] == "GET":
                return self._answer(scope, receive, send, make_key(scope), started_s)
            if scope["method"] == "POST":
                return self._answer_posted(scope, receive, send, started_s)
        return self._app(scope, receive, send)

    def _answer(self, scope: Scope, receive: Receive, send: Send, key: bytes, started_s: float) -> Awaitable[None]:
        preferences = self._query_service.read_preferences(get_fields(scope))
        reply = self._query_service.find_reply(key, preferences)
        if reply is not None:
            return self._send_reply(scope, send, reply, started_s)
        scope[_KEY] = AskedQuery(key, preferences)
        return self._app(scope, receive, send)

    async def _send_reply(self, scope: Scope, send: Send, reply: Reply, started_s: float) -> None:
        status, headers, body = reply
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self._recorder.record(scope, QUERY_PATH, status, started_s, len(body))

    async def _answer_posted(self, scope: Scope, receive: Receive, send: Send, started_s: float) -> None:
        note_start(scope, started_s)
        try:
            message = await _read_body(receive)
        except UnreadableBodyError:
            # The framework will get the same error, and can word the answer.
            await self._app(scope, receive, send)
            return
        messages = [message]

        async def receive_again() -> Message:
            return messages.pop() if messages else await receive()

        await self._answer(scope, receive_again, send, make_key(scope, message.get("body", b"")), started_s)


def get_asked_query(scope: Scope) -> AskedQuery:
    """Return what the fast path knows about a query that it passed on."""
    asked: AskedQuery = scope[_KEY]
    return asked


async def _read_body(receive: Receive) -> Message:
    """Return one message with the whole body, so that nobody has to put it together again; or the client's farewell."""
    chunks: list[bytes] = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return message if len(chunks) == 1 else {**message, "body": b"".join(chunks)}
