"""The step that finds out who sends a request, and refuses what they may not do at all.

Whether they may do it to this setting is checked by the operation, in its transaction. Where access is not checked,
anybody may do everything, so the service must be reached from its own machine alone: a request that a proxy has passed
on shows that it is not.
"""

import time
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Final

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heksher.server.access.credential import find_form, find_token
from heksher.server.access.grants import Role, describe_missing
from heksher.server.access.principal import ANYBODY, NOBODY, Principal
from heksher.server.access.token import digest_token, is_token
from heksher.server.asgi.access import Access, find_access
from heksher.server.asgi.header_fields import HeaderFields, get_fields
from heksher.server.asgi.late_look import CHALLENGE, CHALLENGE_AGAIN, LateLook, Requester, Standing
from heksher.server.asgi.recognizer import Recognizer
from heksher.server.asgi.recorder import Recorder
from heksher.server.asgi.refusal import refuse
from heksher.server.catalog.access_picture import (
    AccessPicture,
    AnyCredential,
    KnownToken,
    TokenCredential,
    write_utc,
)
from heksher.server.catalog.answer import HeaderField
from heksher.server.catalog.catalog import PRIVATE, Catalog
from heksher.server.config import Config
from heksher.server.metrics import METRICS_PATH
from heksher.server.token_uses import TokenUses
from heksher.wire import QUERY_PATH, TOKEN_EXPIRES_HEADER

_REQUESTER: Final = "heksher.requester"
_NOBODY_KNOWN: Final = AccessPicture()
_ANYBODY: Final = Requester(ANYBODY)
_NOBODY: Final = Requester(NOBODY)
_EXPIRES: Final = TOKEN_EXPIRES_HEADER.lower().encode()
_READ_ACCESS: Final = Access(is_write=False, role=Role.READ)
_CHALLENGE: Final[HeaderField] = (b"www-authenticate", CHALLENGE.encode())
_CHALLENGE_AGAIN: Final[HeaderField] = (b"www-authenticate", CHALLENGE_AGAIN.encode())
_CHALLENGE_ANEW: Final[HeaderField] = (b"www-authenticate", b'Bearer error="invalid_request"')
_CACHE_CONTROL: Final = b"cache-control"
_RETRY: Final[HeaderField] = (b"retry-after", b"1")
# What a proxy adds that passes a request on. By their names, as programs may have fields of their own that begin alike.
_FORWARDED_PARTS: Final = (
    b"for", b"proto", b"protocol", b"scheme", b"ssl", b"host", b"port", b"server", b"by", b"prefix", b"path", b"uri",
    b"method", b"user", b"email", b"groups", b"client-cert",
)  # fmt: skip
_FORWARDED: Final = frozenset(
    {b"forwarded", b"via", b"x-real-ip", *(b"x-forwarded-" + part for part in _FORWARDED_PARTS)}
)

_PASSED_ON = (
    "this request was passed on by a proxy, so others can reach this service, and it lets anybody do everything. Start"
    " it with --access (HEKSHER_ACCESS=true) to have it check who may do what, or with --insecure"
    " (HEKSHER_INSECURE=true) if the proxy or the network decides that"
)
_NO_CREDENTIAL = (
    "this needs a credential: send a token as Authorization: Bearer TOKEN, or sign in at /sign-in with a browser. An"
    " admin of this service makes tokens, with heksher access token create"
)
_MALFORMED = (
    "what this request has in the place of a token is none: a token is hks_ and 43 characters, sent as Authorization:"
    " Bearer TOKEN, X-API-Key or api_token"
)
_NOT_LOADED = "the service has not reached its database yet, so it cannot tell who may do what; try again later"


class OpenGate:
    """Lets everybody do everything, except for those who come through a proxy.

    Args:
        app: the next step.
        recorder: records the requests that are refused here.
        config: says whether the service may be reached by others.
        routes: say who may use them.
        catalog: knows tokens.
        uses: is told of each use of a token, so that one can see who would be let in once access is checked.
    """

    def __init__(
        self,
        app: ASGIApp,
        recorder: Recorder,
        config: Config,
        routes: Sequence[BaseRoute],
        catalog: Catalog,
        uses: TokenUses,
    ) -> None:
        self._app = app
        self._catalog = catalog
        self._uses = uses
        self._recorder = recorder
        self._refused = frozenset() if config.is_insecure else _FORWARDED
        self._routes = routes

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        fields = get_fields(scope)
        if not self._refused.isdisjoint(fields) and find_access(self._routes, scope).role is not None:
            return refuse(scope, send, self._recorder, 403, _PASSED_ON)
        state = self._catalog.state
        if state is not None and state.picture.access.tokens:
            self._note_use(state.picture.access, fields)
        scope[_REQUESTER] = _ANYBODY
        return self._app(scope, receive, send)

    def _note_use(self, picture: AccessPicture, fields: HeaderFields) -> None:
        if _find_usual(picture, fields) is None:
            with suppress(ValueError):  # two tokens, which are refused once access is checked
                token = find_token(fields)
                if token is not None:
                    _look_up(token, picture, fields, self._uses, time.time())


class Gate:
    """Lets each caller use the routes that one of its grants is for.

    Args:
        app: the next step.
        recorder: records the requests that are refused here.
        catalog: knows tokens and people.
        routes: say who may use them.
        uses: is told of each use of a token.
        recognizer: finds credentials.
        has_metrics_access: whether the metrics need a credential, too.
    """

    def __init__(
        self,
        app: ASGIApp,
        recorder: Recorder,
        catalog: Catalog,
        routes: Sequence[BaseRoute],
        uses: TokenUses,
        recognizer: Recognizer,
        *,
        has_metrics_access: bool = False,
    ) -> None:
        # Paths of which it is known without looking for their routes: queries are most of all requests.
        self._known_access = {QUERY_PATH: _READ_ACCESS}
        if has_metrics_access:
            self._known_access[METRICS_PATH] = _READ_ACCESS
        self._app = app
        self._recorder = recorder
        self._catalog = catalog
        self._routes = routes
        self._uses = uses
        self._recognizer = recognizer

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        access = self._known_access.get(scope["path"]) or find_access(self._routes, scope)
        state, fields = self._catalog.state, get_fields(scope)
        if state is None:
            if access.role is not None:
                return refuse(scope, send, self._recorder, 503, _NOT_LOADED, _RETRY)
            return self._identify(scope, receive, send, access, _NOBODY_KNOWN, fields)
        picture = state.picture.access
        known = _find_usual(picture, fields)
        if known is None:
            return self._identify(scope, receive, send, access, picture, fields)
        return self._let_in(scope, receive, send, access, known.principal, known.credential)

    def _identify(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        access: Access,
        picture: AccessPicture,
        fields: HeaderFields,
    ) -> Awaitable[None]:
        """Find out who sends a request, and do what that entails."""
        try:
            token = find_token(fields)
        except ValueError as error:
            return refuse(scope, send, self._recorder, 400, str(error), _CHALLENGE_ANEW)
        now_s = time.time()
        if token is None:
            credential = self._recognizer.find_credential(scope, fields, access, picture, now_s)
            if credential is None:
                return self._let_in_nobody(scope, receive, send, access, _NO_CREDENTIAL, _CHALLENGE)
            principal = credential.find_principal(picture, now_s)
            if principal is None:
                detail = credential.describe_end(picture)
                return self._let_in_nobody(scope, receive, send, access, detail, _CHALLENGE_AGAIN)
            return self._let_in(scope, receive, send, access, principal, credential)
        # It counts whatever else the request has: programs send it on purpose, and browsers never do.
        known = _look_up(token, picture, fields, self._uses, now_s)
        if known is None:
            return self._let_in_nobody(scope, receive, send, access, _describe_wrong(token, picture), _CHALLENGE_AGAIN)
        if now_s >= known.notice_s:
            send = _tell_end(send, known.expires_s)
        return self._let_in(scope, receive, send, access, known.principal, known.credential)

    def _let_in(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        access: Access,
        principal: Principal,
        credential: AnyCredential,
    ) -> Awaitable[None]:
        """Pass a request on, if its sender may use the route."""
        if access.role is not None and access.role not in principal.grants.roles:
            return refuse(scope, send, self._recorder, 403, describe_missing(access.role))
        scope[_REQUESTER] = requester = Requester(principal, credential)
        if access.role is not None:
            if scope["method"] != "GET":
                receive = LateLook(receive, requester, access.role, self._catalog).receive
            # Answers to queries say it themselves.
            if scope["path"] != QUERY_PATH:
                send = _keep_from_caches(send)
        return self._app(scope, receive, send)

    def _let_in_nobody(
        self, scope: Scope, receive: Receive, send: Send, access: Access, detail: str, challenge: HeaderField
    ) -> Awaitable[None]:
        """Pass on a request of a sender who is not known, if the route is for anybody."""
        if access.role is not None:
            return refuse(scope, send, self._recorder, 401, detail, challenge)
        scope[_REQUESTER] = _NOBODY
        return self._app(scope, receive, send)


def get_principal(scope: Scope) -> Principal:
    """Return who sends a request."""
    requester: Requester = scope[_REQUESTER]
    return requester.principal


def make_standing(scope: Scope, catalog: Catalog) -> Standing:
    """Return what tells, whenever it is asked, what the sender of a request may do by then."""
    return Standing(scope[_REQUESTER], catalog)


def find_credential(scope: Scope) -> AnyCredential | None:
    """Return by what the sender of a request is known; ``None`` if by nothing."""
    requester: Requester | None = scope.get(_REQUESTER)
    return None if requester is None else requester.credential


def _find_usual(picture: AccessPicture, fields: HeaderFields) -> KnownToken | None:
    """Return the token of a request that is like one before, as nearly all are, if there is no more to do about it."""
    form = find_form(fields)
    known = None if form is None else picture.forms.get(form)
    return None if known is None or time.time() >= known.plain_until_s else known


def _look_up(
    token: bytes, picture: AccessPicture, fields: HeaderFields, uses: TokenUses, now_s: float
) -> KnownToken | None:
    """Return what is known of the token of a request, and note its use; ``None`` if there is none, or it has ended."""
    known = picture.tokens.get(digest_token(token))
    if known is None or now_s >= known.expires_s:
        return None
    noted_until_s = uses.note(known.principal.name, known.credential.digest, now_s)
    known.remember(picture.forms, find_form(fields), min(noted_until_s, known.notice_s))
    return known


def _describe_wrong(token: bytes, picture: AccessPicture) -> str:
    """Say why a token lets nobody in."""
    if not is_token(token.decode("latin-1")):
        return _MALFORMED
    return TokenCredential(digest_token(token)).describe_end(picture)


def _tell_end(send: Send, expires_s: float) -> Send:
    """Return what sends an answer that says when a token ends."""
    field = (_EXPIRES, write_utc(expires_s).encode())

    def send_with_end(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), field]}
        return send(message)

    return send_with_end


def _keep_from_caches(send: Send) -> Send:
    """Return what sends an answer that no cache may give to others, unless the answer says more of caches itself.

    Of itself a shared cache knows only that it may not give others an answer to ``Authorization``.
    """

    def send_privately(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            if all(name != _CACHE_CONTROL for name, _ in headers):
                message = {**message, "headers": [*headers, (_CACHE_CONTROL, PRIVATE)]}
        return send(message)

    return send_privately
