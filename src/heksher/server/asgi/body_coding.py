"""The step that refuses bodies in a content coding, such as gzip.

They would have to be decoded, and a few kilobytes can decode to gigabytes. Nothing that is sent here is large enough to
be worth that.
"""

from collections.abc import Awaitable, Iterable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heksher.server.asgi.unreadable_body import UnreadableBodyError
from heksher.value_type import shorten

_PLAIN: Final = frozenset({"", "identity"})


class CodedBodyError(UnreadableBodyError):
    """A body is in a content coding."""

    def __init__(self, coding: str) -> None:
        detail = (
            f"a body with Content-Encoding: {shorten(coding)} is not read here: send it as it is, without this header"
        )
        # RFC 9110, section 15.5.16: so the client knows that it is not the type.
        super().__init__(415, detail, {"Accept-Encoding": "identity"})


class PlainBody:
    """Makes ``receive`` raise ``CodedBodyError``, on every call, if the body is in a content coding.

    Args:
        app: the next step.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if coding := _find_coding(scope["headers"]):

            async def refuse() -> Message:
                raise CodedBodyError(coding)

            return self._app(scope, refuse, send)
        return self._app(scope, receive, send)


def _find_coding(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        if name == b"content-encoding" and (coding := value.decode("latin-1")).strip().lower() not in _PLAIN:
            return coding
    return None
