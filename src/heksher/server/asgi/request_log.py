"""The step that records the framework's answers.

Answers from memory do not pass it and have no request id: they cannot fail, and nothing is logged on their way.
"""

import logging
from collections.abc import Awaitable
from functools import cache

from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heksher.server.asgi.recorder import UNMATCHED, Recorder, get_start, identifying
from heksher.server.catalog.answer import NOSNIFF, HeaderField

logger: logging.Logger = logging.getLogger(__name__)


class RequestLog:
    """Assigns an id to each request, and records the answer once it is complete, or a stream once it is open.

    Every log record about the request has the id, and so does the answer.

    Args:
        app: the next step.
        recorder: records the answer.
    """

    def __init__(self, app: ASGIApp, recorder: Recorder) -> None:
        self._app = app
        self._recorder = recorder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started_s = get_start(scope)
        with identifying(scope) as id_field:
            watch = _Watch(send, (NOSNIFF, id_field))
            try:
                await self._app(scope, receive, watch.send)
            finally:
                self._recorder.record(scope, _name_route(scope), watch.status, started_s, watch.size_bytes)


class _Watch:
    """Passes on the messages that are sent, and notes their status and size.

    Args:
        send: the ASGI callable of the connection.
        fields: header fields to add to the answer.

    Attributes:
        status: the status of the answer; 500 until the answer begins, because a request without an answer has failed.
        size_bytes: the size of the answer's body.
    """

    def __init__(self, send: Send, fields: tuple[HeaderField, ...]) -> None:
        self._send = send
        self._fields = fields
        self.status: int = 500
        self.size_bytes = 0

    def send(self, message: Message) -> Awaitable[None]:
        """Pass on a message."""
        if "status" in message:
            self.status = message["status"]
            headers = message.get("headers", ())
            # An answer that was made for all paths has some of them.
            message["headers"] = [*headers, *(field for field in self._fields if field not in headers)]
        else:
            self.size_bytes += len(message.get("body", b""))
        return self._send(message)


def tells_routes(route: BaseRoute) -> bool:
    """Return whether the framework puts the route of a request into its scope; if it does not, log the loss once.

    This is undocumented, but nothing else in the scope has the pattern of the path.

    Args:
        route: any route without parameters.
    """
    path = getattr(route, "path", "")
    scope: Scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}
    _, child_scope = route.matches(scope)
    is_told = hasattr(child_scope.get("route"), "path")
    if not is_told:
        _report_loss()
    return is_told


@cache
def _report_loss() -> None:
    logger.warning(
        "this version of FastAPI does not say by which route a request is answered: the metrics count all but answers"
        " from memory as unmatched"
    )


def _name_route(scope: Scope) -> str:
    """Return the pattern of the path that the request was routed by."""
    route = scope.get("route")
    path: str | None = getattr(route, "path", None)
    if path is None:
        return UNMATCHED
    # A mounted application's routes are relative to its own root path, which is in the scope by then.
    return path if isinstance(route, Mount) else scope.get("root_path", "") + path
