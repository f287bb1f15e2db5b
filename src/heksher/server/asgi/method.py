"""The step that goes by the method: only what can have a body passes the steps that look at bodies.

HEAD is answered as GET is, without the body (RFC 9110, section 9.3.2). So no route has to know of it, and whatever has
GET has HEAD.
"""

import asyncio
from collections.abc import Awaitable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_IS_HEAD: Final = "heksher.is_head"


class MethodStep:
    """Passes GET on at once, HEAD as GET without the body of its answer, and all other methods by another way.

    Args:
        app: the next step.
        with_body: the first of the steps that look at bodies.
    """

    def __init__(self, app: ASGIApp, with_body: ASGIApp) -> None:
        self._app = app
        self._with_body = with_body

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        method = scope["method"]
        if method == "GET":
            return self._app(scope, receive, send)
        if method == "HEAD":
            return self._answer_head(scope, send)
        return self._with_body(scope, receive, send)

    async def _answer_head(self, scope: Scope, send: Send) -> None:
        answer = _BodilessAnswer(send)
        await self._app({**scope, "method": "GET", _IS_HEAD: True}, answer.receive, answer.send)
        await send({"type": "http.response.body", "body": b""})


def get_asked_method(scope: Scope) -> str:
    """Return the method that the client has asked with: ``HEAD`` where the scope has ``GET`` in its place."""
    method: str = "HEAD" if _IS_HEAD in scope else scope["method"]
    return method


class _BodilessAnswer:
    """The connection of a request whose answer ends with its header fields.

    Args:
        send: the ASGI callable of the connection.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_body_read = False
        self._is_begun = asyncio.Event()

    async def receive(self) -> Message:
        """Return an empty body, then the end of the connection: so a stream ends once it is open."""
        if not self._is_body_read:
            self._is_body_read = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._is_begun.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Pass the beginning of the answer on, and nothing else."""
        if message["type"] == "http.response.start":
            await self._send(message)
            self._is_begun.set()
