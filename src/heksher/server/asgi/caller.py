"""Who sends a request, and why: whom the gate has found, or, where nobody was found, whom a header claims it is.

The step comes before the answers from memory, so a request that it refuses is refused on every path.
"""

import re
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Receive, Scope, Send

from heksher.server.access.grants import Permission
from heksher.server.access.principal import Kind
from heksher.server.asgi.gate import get_principal
from heksher.server.asgi.header_fields import ACTOR, REASON, HeaderFields, get_fields
from heksher.server.asgi.recorder import Recorder
from heksher.server.asgi.refusal import refuse
from heksher.server.storage.base import Origin
from heksher.wire import ACTOR_HEADER, REASON_HEADER

MAX_ACTOR_CHARACTERS: Final = 100
MAX_REASON_CHARACTERS: Final = 500

_KEY: Final = "heksher.caller"
# RFC 3986: visible ASCII, and a percent sign only before two hexadecimal digits.
_ENCODED = re.compile(rb"(?:[!-$&-~]|%[0-9A-Fa-f]{2})*")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_NO_LINE_BREAK = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request.

    Attributes:
        actor: the sender's name; empty if the request has none.
        kind: what the sender is; the name of nobody is only a claim of a header.
        reason: why the sender writes; empty if the request does not say it.
    """

    actor: str = ""
    kind: Kind = "nobody"
    reason: str = ""

    def make_origin(self, grants: Permission) -> Origin:
        """Return what the change log records about the caller's writes, and what operations check them by."""
        return Origin(self.actor, self.reason, self.kind, grants)


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
            return refuse(scope, send, self._recorder, 400, str(error))
        return self._app(scope, receive, send)


def get_caller(scope: Scope) -> Caller:
    """Return the sender of a request."""
    claimed: Caller = scope[_KEY]
    principal = get_principal(scope)
    return replace(claimed, actor=principal.name, kind=principal.kind) if principal.name else claimed


def read_caller(fields: HeaderFields) -> Caller:
    """Return whom a request with these header fields claims to come from, and why it is sent.

    Raises:
        ValueError: a header field is malformed; the message names it, and says what is allowed.
    """
    actor, reason = fields.get(ACTOR), fields.get(REASON)
    if actor is None and reason is None:
        return UNKNOWN_CALLER
    return Caller(
        "" if actor is None else _decode(ACTOR_HEADER, "name", actor, MAX_ACTOR_CHARACTERS, _CONTROL),
        reason=""
        if reason is None
        else _decode(REASON_HEADER, "reason", reason, MAX_REASON_CHARACTERS, _NO_LINE_BREAK),
    )


def _decode(header: str, what: str, value: bytes, max_characters: int, refused: re.Pattern[str]) -> str:
    if not _ENCODED.fullmatch(value):
        raise ValueError(f"{header}: the {what} must be percent-encoded, such as Ada%20Lovelace")
    try:
        text = unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise ValueError(f"{header}: the {what} must be percent-encoded UTF-8") from None
    try:
        return _require_plain(what, text, max_characters, refused)
    except ValueError as error:
        raise ValueError(f"{header}: {error}") from None


def require_reason(text: str) -> str:
    """Return a text that can be the reason of a write, as the header can have it.

    Raises:
        ValueError: it cannot be one; the message says what is allowed.
    """
    return _require_plain("reason", text, MAX_REASON_CHARACTERS, _NO_LINE_BREAK)


def _require_plain(what: str, text: str, max_characters: int, refused: re.Pattern[str]) -> str:
    if len(text) > max_characters:
        raise ValueError(f"the {what} has more than {max_characters} characters")
    if refused.search(text):
        raise ValueError(f"the {what} has control characters")
    return text
