"""Who sends a request: whom the gate has found, or, where nobody was found, whom a header claims it is.

The step comes before the answers from memory, so a request that it refuses is refused on every path.
"""

import re
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Receive, Scope, Send

from heksher.server.access.grants import Permission
from heksher.server.access.principal import Kind
from heksher.server.asgi.gate import get_principal
from heksher.server.asgi.header_fields import ACTOR, HeaderFields, get_fields
from heksher.server.asgi.recorder import Recorder
from heksher.server.asgi.refusal import refuse
from heksher.server.storage.base import Origin
from heksher.wire import ACTOR_HEADER

MAX_ACTOR_CHARACTERS: Final = 100

_KEY: Final = "heksher.caller"
# RFC 3986: visible ASCII, and a percent sign only before two hexadecimal digits.
_ENCODED = re.compile(rb"(?:[!-$&-~]|%[0-9A-Fa-f]{2})*")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request.

    Attributes:
        actor: the sender's name; empty if the request has none.
        kind: what the sender is; the name of nobody is only a claim of a header.
    """

    actor: str = ""
    kind: Kind = "nobody"

    def make_origin(self, grants: Permission) -> Origin:
        """Return what the change log records about the caller's writes, and what operations check them by."""
        return Origin(actor=self.actor, actor_kind=self.kind, grants=grants)


UNKNOWN_CALLER: Final = Caller()


class CallerStep:
    """Puts into the scope whom a request claims to come from, where ``get_caller`` finds it.

    Args:
        app: the next step.
        recorder: records the requests that are refused here.
    """

    def __init__(self, app: ASGIApp, recorder: Recorder) -> None:
        self._app = app
        self._recorder = recorder

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        try:
            scope[_KEY] = read_caller(get_fields(scope))
        except ValueError as error:
            return refuse(scope, send, self._recorder, 400, f"{ACTOR_HEADER}: {error}")
        return self._app(scope, receive, send)


def get_caller(scope: Scope) -> Caller:
    """Return the sender of a request."""
    claimed: Caller = scope[_KEY]
    principal = get_principal(scope)
    return Caller(principal.name, principal.kind) if principal.name else claimed


def read_caller(fields: HeaderFields) -> Caller:
    """Return whom a request with these header fields claims to come from.

    Raises:
        ValueError: a header field is malformed; the message says what is allowed.
    """
    actor = fields.get(ACTOR)
    return UNKNOWN_CALLER if actor is None else Caller(_decode_actor(actor))


def _decode_actor(value: bytes) -> str:
    if not _ENCODED.fullmatch(value):
        raise ValueError("the name must be percent-encoded, such as Ada%20Lovelace")
    try:
        actor = unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise ValueError("the name must be percent-encoded UTF-8") from None
    if len(actor) > MAX_ACTOR_CHARACTERS:
        raise ValueError(f"the name has more than {MAX_ACTOR_CHARACTERS} characters")
    if _CONTROL.search(actor):
        raise ValueError("the name has control characters")
    return actor
